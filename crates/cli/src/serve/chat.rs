//! `switchboard serve chat`.

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::thread;
use std::time::Duration;

use clap::Args;
use switchboard_apps::access::Access;
use switchboard_chat::{ChatService, Disk, Hub, HubOptions, InMemory, Overflow, ServiceOptions};
use switchboard_net::Stream;
use switchboard_runtime::{Dispatch, Model, Style};
use switchboard_server::{Bound, Report};

use super::options::{AFTER_HELP, HttpOptions, Options, WorkersAs, seconds};
use super::tls::Front;
use super::{Watched, serve_prepared};
use crate::output::Failure;

/// The help about what is served.
const AFTER_CHAT: &str = "The page is at /, and clients speak WebSocket at /ws: JSON objects, as `Command` in the \
library `switchboard-chat` describes them. Where WebSocket is blocked, the same objects go by requests: POST /connect \
answers with a key, GET /events?key= streams updates, GET /poll?key=&position= waits for some, and POST /send?key= carries \
commands. Pages of other origins are refused unless --origin names them.\n\n\
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
    /// The most bytes that wait for a client
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES")]
    outbox: usize,
    /// What happens to a client for which more wait: cut, conflate or drop-oldest
    #[arg(long, default_value = "cut", value_name = "RULE")]
    overflow: Overflow,
    /// The most bytes of a message's text
    #[arg(long, default_value_t = 16 * 1024, value_name = "BYTES")]
    text: usize,
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
        let chat = self.service()?;
        let front = self.http.front(&self.options)?;
        let server = front.server(self.http.limits.first_bytes());
        let prepare = |bound: &Bound, watched: &Watched| {
            self.http.tls.open(&front, bound, &watched.log)?;
            let (chat, stop) = (chat.clone(), bound.stop_handle());
            let clock = thread::Builder::new().name("chat-clock".to_owned());
            clock
                .spawn(move || Model::Blocking.run(chat.keep_time(stop.wait())))
                .map_err(|error| Failure::Failed(format!("no thread can be started: {error}")))?;
            Ok((watched.access.clone(), front.clone()))
        };
        let run = |bound, (access, front)| run(bound, chat.clone(), access, front);
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

    fn service(&self) -> Result<ChatService, Failure> {
        let options = HubOptions {
            history: self.history,
            history_age: self.history_age,
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
