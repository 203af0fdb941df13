//! A session with Redis: a connection for commands and one for what is published.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
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
    /// Whose turn it is to be polled first.
    is_published_first: bool,
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
            is_published_first: false,
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
        // By turns, so that neither waits for a pause of the other. What is asked is sent when its connection is polled.
        self.is_published_first = !self.is_published_first;
        let first = match self.is_published_first {
            true => self.poll_published(context),
            false => self.poll_answer(context),
        };
        match (first, self.is_published_first) {
            (Poll::Pending, true) => self.poll_answer(context),
            (Poll::Pending, false) => self.poll_published(context),
            (came, _) => came,
        }
    }

    fn poll_published(&mut self, context: &mut Context<'_>) -> Poll<Result<Came, Failure>> {
        let published = ready!(self.published.poll(context)).map_err(Failure::from)?;
        if first_text(&published) == Some("pong") {
            self.pinged = None;
        }
        Poll::Ready(Ok(Came::Published(published)))
    }

    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<Came, Failure>> {
        let reply = ready!(self.commands.poll(context)).map_err(Failure::from)?;
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;

    use switchboard_redis::Wire;
    use switchboard_runtime::{self as runtime, Model};

    use super::{Came, Instant, RedisUrl, Sent, Session, VecDeque};

    #[test]
    fn what_is_published_holds_up_no_answer() {
        const PUBLISHED: usize = 1000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let url: RedisUrl = url.parse().unwrap();
        let before = Model::Tasks.run(async {
            // The peers send all of it before the session is polled for the first time.
            let commands = Wire::connect(&url).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(b"+OK\r\n").unwrap();
            let published = Wire::connect(&url).await.unwrap();
            let (mut publisher, _) = listener.accept().unwrap();
            let message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
            publisher.write_all(&message.repeat(PUBLISHED)).unwrap();
            let mut session = Session {
                commands,
                published,
                is_published_first: false,
                sent: VecDeque::from([(Sent::Nothing, Instant::now())]),
                pinged: None,
                run: String::new(),
                scripts: Vec::new(),
            };
            let mut before = 0;
            loop {
                match poll_fn(|context| session.poll(context)).await {
                    Ok(Came::Answer(..)) => return before,
                    Ok(Came::Published(_)) => before += 1,
                    Err(failure) => panic!("{failure}"),
                }
                // Completions are taken between two turns of a loop.
                runtime::yield_now().await;
            }
        });
        let before = before.unwrap();
        assert!(
            before < PUBLISHED / 10,
            "after {before} that were published"
        );
    }
}
