//! A session with Redis: a connection for commands and one for what is published.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use switchboard_redis::{Failure, RedisUrl, Reply, Resp2Frame as _, Wire, ask, log_in, text};
use switchboard_runtime as runtime;

use super::keys::Keys;
use super::sent::Sent;

/// How long Redis may take for an answer before it counts as away.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

pub(super) struct Session {
    commands: Wire,
    published: Wire,
    /// What was asked and not answered, in order.
    sent: VecDeque<(Sent, Instant)>,
    /// When the other connection was pinged, until it answers.
    pinged: Option<Instant>,
    /// The run of the server; `-` for one that loses nothing of what it has acknowledged.
    pub(super) run: String,
    scripts: Vec<String>,
}

/// The scripts, by their place in [`SCRIPTS`].
#[derive(Clone, Copy)]
pub(super) enum Script {
    Append,
    Sync,
    Seed,
    Presence,
    Claim,
    Hold,
    Release,
}

const SCRIPTS: [&str; 7] = [
    include_str!("lua/append.lua"),
    include_str!("lua/sync.lua"),
    include_str!("lua/seed.lua"),
    include_str!("lua/presence.lua"),
    include_str!("lua/claim.lua"),
    include_str!("lua/hold.lua"),
    include_str!("lua/release.lua"),
];

/// What comes from Redis.
pub(super) enum Came {
    Answer(Sent, Reply),
    Published(Reply),
}

impl Session {
    /// Connects twice, logs in and brings the scripts.
    pub(super) async fn open(url: &RedisUrl, keys: &Keys) -> Result<Session, Failure> {
        match runtime::timeout(PATIENCE, Session::try_open(url, keys)).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::passing("no answer in 3 s")),
        }
    }

    async fn try_open(url: &RedisUrl, keys: &Keys) -> Result<Session, Failure> {
        let mut commands = log_in(url).await?;
        let info = text(ask(&mut commands, &["INFO", "server"]).await?);
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        let mut run = run.unwrap_or_default().to_owned();
        if is_durable(&mut commands).await? {
            "-".clone_into(&mut run);
        }
        let info = text(ask(&mut commands, &["INFO", "replication"]).await?);
        if info.contains("role:slave") {
            return Err(Failure::refused("READONLY"));
        }
        let mut scripts = Vec::new();
        for script in SCRIPTS {
            scripts.push(text(ask(&mut commands, &["SCRIPT", "LOAD", script]).await?));
        }
        let mut published = log_in(url).await?;
        ask(&mut published, &["SUBSCRIBE", &keys.own_channel()]).await?;
        Ok(Session {
            commands,
            published,
            sent: VecDeque::new(),
            pinged: None,
            run,
            scripts,
        })
    }

    /// Sends a script. Its reply comes with `sent`.
    pub(super) fn script(&mut self, script: Script, keys: &[String], args: &[&str], sent: Sent) {
        let count = keys.len().to_string();
        let head = ["EVALSHA", &*self.scripts[script as usize], &*count];
        let keys = keys.iter().map(String::as_str);
        let parts: Vec<&str> = head
            .into_iter()
            .chain(keys)
            .chain(args.iter().copied())
            .collect();
        self.commands.send(parts.iter());
        self.sent.push_back((sent, Instant::now()));
    }

    pub(super) fn publish(&mut self, channel: &str, text: &str) {
        self.commands.send(["PUBLISH", channel, text].iter());
        self.sent.push_back((Sent::Nothing, Instant::now()));
    }

    pub(super) fn subscribe(&mut self, channel: &str) {
        self.published.send(["SUBSCRIBE", channel].iter());
    }

    pub(super) fn unsubscribe(&mut self, channel: &str) {
        self.published.send(["UNSUBSCRIBE", channel].iter());
    }

    /// Pings both connections.
    pub(super) fn ping(&mut self) {
        if self.sent.is_empty() {
            self.commands.send(["PING"].iter());
            self.sent.push_back((Sent::Nothing, Instant::now()));
        }
        if self.pinged.is_none() {
            self.published.send(["PING"].iter());
            self.pinged = Some(Instant::now());
        }
    }

    /// Returns whether an answer is overdue.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let first = self.sent.front().map(|(_, at)| *at);
        let oldest = first.into_iter().chain(self.pinged).min();
        oldest.is_some_and(|oldest| now.saturating_duration_since(oldest) > PATIENCE)
    }

    /// Sends what is queued, and waits for what comes.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Came, Failure>> {
        if let Poll::Ready(published) = self.published.poll(context) {
            let published = published.map_err(Failure::from)?;
            if first_text(&published) == Some("pong") {
                self.pinged = None;
            }
            return Poll::Ready(Ok(Came::Published(published)));
        }
        let Poll::Ready(reply) = self.commands.poll(context) else {
            return Poll::Pending;
        };
        let reply = reply.map_err(Failure::from)?;
        let Some((sent, _)) = self.sent.pop_front() else {
            return Poll::Ready(Err(Failure::passing("it answers what nobody has asked")));
        };
        Poll::Ready(Ok(Came::Answer(sent, reply)))
    }

    /// Takes what was not answered.
    pub(super) fn into_unanswered(self) -> impl Iterator<Item = Sent> {
        self.sent.into_iter().map(|(sent, _)| sent)
    }
}

/// Returns whether the server has written to disk whatever it acknowledges.
async fn is_durable(wire: &mut Wire) -> Result<bool, Failure> {
    let get = ["CONFIG", "GET", "append*"];
    wire.send(get.iter());
    let reply = std::future::poll_fn(|context| wire.poll(context)).await?;
    // Some servers do not say.
    let Reply::Array(pairs) = reply else {
        return Ok(false);
    };
    let texts: Vec<_> = pairs.into_iter().map(text).collect();
    let has = |name: &str, value: &str| texts.chunks(2).any(|pair| pair == [name, value]);
    Ok(has("appendonly", "yes") && has("appendfsync", "always"))
}

fn first_text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Array(parts) => parts.first().and_then(Reply::as_str),
        _ => None,
    }
}
