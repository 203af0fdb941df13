//! `switchboard serve chat`.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use clap::Args;
use switchboard_apps::access::Access;
use switchboard_chat::{
    ChatService, Disk, Hub, HubOptions, InMemory, LineOptions, LineService, Overflow,
    ServiceOptions,
};
use switchboard_net::Stream;
use switchboard_runtime::{Dispatch, Model, Style};
use switchboard_server::{Bound, Report, Stop};

use super::lines::{self, Lines};
use super::options::{AFTER_HELP, HttpOptions, Options, WorkersAs, seconds};
use super::tls::Front;
use super::{Watched, serve_prepared};
use crate::output::Failure;

/// The help about what is served.
const AFTER_CHAT: &str = "The page is at /, and clients speak WebSocket at /ws: JSON objects, as `Command` in the \
library `switchboard-chat` describes them. Where WebSocket is blocked, the same objects go by requests: POST /connect \
answers with a key, GET /events?key= streams updates, GET /poll?key=&position= waits for some, and POST /send?key= carries \
commands. Pages of other origins are refused unless --origin names them.\n\n\
With --lines ADDRESS, people speak lines of text there: `nc HOST PORT`, then /name NAME, /join ROOM, and /help for the \
rest. Lines go without TLS. Under --model callbacks, the address of --listen speaks lines, and there is no page.\n\n\
Without --data, messages are kept as long as the server runs. With it they are kept in a file, which is in sync with the \
disk before anybody is told of a message, and a user can keep a name by a password (`register`), which is asked for \
from then on; `switchboard accounts` lists such names, and takes their passwords from them. Use TLS where passwords \
are sent. With --redis they are in Redis, and servers that have the same one are \
one chat; while Redis is away, messages are shown here, and kept when it is back.\n\nA token for --token-secret is CLAIMS.SIGNATURE, both in base64url: the \
claims are JSON such as {\"nick\":\"ann\",\"exp\":1800000000}, the signature is HMAC-SHA-256 of the first part.";

#[derive(Args)]
#[command(after_help = format!("{AFTER_CHAT}\n\n{AFTER_HELP}"))]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    options: Options,
    /// Keep messages in this file, which is made if it is not there
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Share rooms, messages and names with the other servers that have this Redis
    #[arg(
        long,
        value_name = "redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]",
        conflicts_with = "data"
    )]
    redis: Option<String>,
    /// The most messages that are kept of a room
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    history: usize,
    /// How long a message is kept
    #[arg(long, default_value = "86400", value_name = "SECONDS", value_parser = seconds)]
    history_age: Duration,
    /// The bytes of memory of all messages that are kept, above which the largest rooms forget their oldest ones
    #[arg(long, default_value_t = 1024 * 1024 * 1024, value_name = "BYTES")]
    history_memory: usize,
    /// The most bytes that wait for a client
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES")]
    outbox: usize,
    /// What happens to a client for which more wait: cut, conflate or drop-oldest
    #[arg(long, default_value = "cut", value_name = "RULE")]
    overflow: Overflow,
    /// The most bytes of a message's text
    #[arg(long, default_value_t = 16 * 1024, value_name = "BYTES")]
    text: usize,
    /// Speak lines of text at this address too, for nc and small programs
    #[arg(long, value_name = "HOST:PORT")]
    lines: Option<String>,
    /// Let pages of this origin connect too, as https://example.org; may be given more than once
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Ask for tokens that are signed with the secret in this file
    #[arg(long, value_name = "FILE")]
    token_secret: Option<PathBuf>,
    #[command(flatten)]
    http: HttpOptions,
}

impl ChatArgs {
    pub(super) fn serve(self) -> Result<(), Failure> {
        can_share(&self.options)?;
        if self.options.model.runs(Style::Async).is_err() {
            return self.serve_lines();
        }
        let chat = self.service()?;
        let front = self.http.front(&self.options)?;
        let server = front.server(self.http.limits.first_bytes());
        let prepare = |bound: &Bound, watched: &Watched| {
            self.http.tls.open(&front, bound, &watched.log)?;
            let lines = self.lines.as_deref().map(|addr| {
                let service = line_service(&chat);
                Lines::bind(addr, service, &self.options, watched)
            });
            let lines = lines.transpose()?;
            let others = lines.iter().map(Lines::stop_handle).collect();
            keep_time(&chat, bound.stop_handle(), others)?;
            Ok((watched.access.clone(), front.clone(), lines))
        };
        let run = |bound: Bound, (access, front, lines): (_, _, Option<Lines>)| {
            let stop = bound.stop_handle();
            let serve = || run(bound, chat.clone(), access, front);
            match lines {
                Some(lines) => lines.beside(stop, serve),
                None => serve(),
            }
        };
        let http = Some(&self.http);
        serve_prepared(
            server,
            &self.options,
            "chat",
            Style::Async,
            http,
            prepare,
            run,
        )
    }

    /// Serves lines alone, by callbacks.
    fn serve_lines(&self) -> Result<(), Failure> {
        let refused = [
            (
                self.lines.is_some(),
                "--lines: the address of --listen speaks lines",
            ),
            (self.http.tls.is_asked_for(), "lines go without TLS"),
            (
                !self.origins.is_empty(),
                "--origin: there is no page that could connect",
            ),
        ];
        if let Some((_, why)) = refused.into_iter().find(|(is_asked_for, _)| *is_asked_for) {
            return Err(Failure::usage(format_args!(
                "--model callbacks: {why}; leave the option out, or use tasks, green, threads or pool"
            )));
        }
        let chat = self.service()?;
        let prepare = |bound: &Bound, watched: &Watched| {
            if !self.options.quiet {
                watched.log.line(format_args!(
                    "switchboard: callbacks speak lines of text; the page and WebSocket need another model"
                ));
            }
            keep_time(&chat, bound.stop_handle(), Vec::new())
        };
        let service = line_service(&chat);
        let (options, style) = (&self.options, Style::Protocol);
        serve_prepared(
            lines::server(),
            options,
            "chat",
            style,
            None,
            prepare,
            |bound, ()| bound.serve_protocol(move || service.protocol()),
        )
    }

    fn service(&self) -> Result<ChatService, Failure> {
        let options = HubOptions {
            history: self.history,
            history_age: self.history_age,
            history_memory: self.history_memory,
            outbox: self.outbox,
            overflow: self.overflow,
            text: self.text,
            secret: self.secret()?,
            ..HubOptions::default()
        };
        let hub = match (&self.redis, &self.data) {
            (Some(url), _) => {
                let wrong = |error: &dyn std::fmt::Display| {
                    Failure::usage(format_args!("--redis: {error}"))
                };
                let url = url.parse().map_err(|error: String| wrong(&error))?;
                Hub::with_redis(options, url).map_err(|error| wrong(&error))?
            }
            (None, None) => Hub::new(options, InMemory),
            (None, Some(path)) => {
                let disk = Disk::open(path, &options);
                let disk = disk.map_err(|error| Failure::usage(format_args!("--data {error}")))?;
                Hub::new(options, disk)
            }
        };
        let service = ServiceOptions {
            origins: self.origins.clone(),
            ..ServiceOptions::default()
        };
        Ok(ChatService::new(hub, service))
    }

    fn secret(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = &self.token_secret else {
            return Ok(None);
        };
        let wrong = |text: &dyn std::fmt::Display| {
            Failure::usage(format_args!("--token-secret {}: {text}", path.display()))
        };
        let mut secret = std::fs::read(path).map_err(|error| wrong(&error))?;
        while secret.last().is_some_and(u8::is_ascii_whitespace) {
            secret.pop();
        }
        match secret.len() {
            16.. => Ok(Some(secret)),
            _ => Err(wrong(&"a secret has at least 16 bytes")),
        }
    }
}

fn line_service(chat: &ChatService) -> LineService {
    LineService::new(chat.hub().clone(), LineOptions::default())
}

/// Keeps the chat's time until `stop` is, on a thread of its own, and stops the other servers then.
fn keep_time(chat: &ChatService, stop: Stop, others: Vec<Stop>) -> Result<(), Failure> {
    let chat = chat.clone();
    let keep = move || {
        let kept = Model::Blocking.run(chat.keep_time(stop.wait()));
        others.iter().for_each(Stop::stop);
        kept
    };
    let clock = thread::Builder::new().name("chat-clock".to_owned());
    let started = clock.spawn(keep);
    started
        .map(drop)
        .map_err(|error| Failure::Failed(format!("no thread can be started: {error}")))
}

/// Checks that all clients are served by one process, which has the rooms, and beside each other.
fn can_share(options: &Options) -> Result<(), Failure> {
    let text = match options.model.dispatch() {
        Dispatch::Process => "each process would have rooms of its own",
        Dispatch::InTurn => "one client would be served at a time, and nobody would hear it",
        _ if matches!(options.workers_as, WorkersAs::Processes) => {
            return Err(Failure::usage(
                "--workers-as processes: each process would have rooms of its own: use threads",
            ));
        }
        _ => return Ok(()),
    };
    let model = options.model;
    Err(Failure::usage(format_args!(
        "--model {model}: {text}: use tasks, green, threads or pool"
    )))
}

/// Answers each request of each connection, until the server stops.
fn run(
    bound: Bound,
    chat: ChatService,
    access: Option<Access>,
    front: Front,
) -> io::Result<Report> {
    let stop = bound.stop_handle();
    bound.serve(move |stream: Stream| {
        let (chat, access) = (chat.clone(), access.clone());
        let (front, stop) = (front.clone(), stop.clone());
        async move {
            // Messages do not wait for acknowledgements. A Unix socket has no such option.
            let _ = stream.set_nodelay(true);
            let answer = |request| chat.answer(request);
            let stop = pin!(stop.wait());
            front.serve(stream, access.as_ref(), answer, stop).await
        }
    })
}
