//! The conversation with a server, over one connection after another.

use std::future;
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use switchboard_runtime as runtime;
use switchboard_websocket::{ClientStream, Message, Options, WebSocket};

use super::client::{Asked, Client};
use super::event::Event;
use super::front::{Front, Input};
use super::input::{Action, parse};
use super::link::{Ended, close, closed, connected, within};
use super::pace::{BackOff, Pace};
use super::text::visible;
use crate::output::{Count, Failure};

/// A user, and the server that is spoken to.
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) front: Front,
    pub(super) address: String,
    pub(super) options: Options,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    pub(super) back_off: BackOff,
    /// When the user, who leaves, is gone at the latest.
    pub(super) leaves: Option<Instant>,
    /// The user was told that there is no connection.
    pub(super) is_lost: bool,
}

enum Happened<T> {
    Input(Input),
    Done(T),
    Time,
}

/// The most messages that wait for an answer while lines are read of a program.
const WINDOW: usize = 64;
/// A connection that has lasted so long ends the back-off.
const STABLE: Duration = Duration::from_secs(10);
/// A server that is silent for so long is asked for a sign, and has so long to give one.
const SILENT: Duration = Duration::from_secs(40);
const SIGN: Duration = Duration::from_secs(10);
/// How long a user who leaves waits for what is not acknowledged.
const LAST: Duration = Duration::from_secs(5);

impl Talk {
    /// Speaks with the server until the user leaves. Returns whether all was done that was asked for.
    pub(super) async fn run(mut self) -> Result<bool, Failure> {
        self.front.ready(&self.client);
        loop {
            let (address, options) = (self.address.clone(), self.options.clone());
            let limit = self.timeout;
            let connecting = async move { connected(&address, &options, limit).await };
            let ended = match self.meanwhile(connecting).await? {
                None => Ended::Left,
                Some(Ok(socket)) => {
                    let begin = runtime::now();
                    let ended = self.talk(socket).await?;
                    if self.client.is_welcome && runtime::now() - begin > STABLE {
                        self.back_off.reset();
                    }
                    ended
                }
                Some(Err(error)) => Ended::Lost(error.to_string(), false),
            };
            match ended {
                Ended::Left => break,
                Ended::Lost(why, _) if !self.client.was_welcome => {
                    let (address, why) = (&self.address, visible(&why, false));
                    return Err(Failure::Failed(format!("no chat at {address}: {why}")));
                }
                Ended::Lost(why, was_fast) => {
                    self.client.lost();
                    if !std::mem::replace(&mut self.is_lost, true) {
                        let text = format!("connection lost: {why}; trying again");
                        self.client.show(Event::Notice(text));
                    }
                    if was_fast {
                        self.back_off.slower();
                    }
                    let pause = runtime::sleep(self.back_off.pause());
                    if self.meanwhile(pause).await?.is_none() {
                        break;
                    }
                }
                Ended::Refused(why) => {
                    self.show()?;
                    return Err(Failure::Failed(visible(&why, false).into_owned()));
                }
            }
        }
        self.show()?;
        match self.client.unsaid.len() {
            0 => Ok(!self.client.has_failed),
            count => Err(Failure::Failed(format!(
                "{} not said: the server has not acknowledged them",
                Count(count as u64, "message")
            ))),
        }
    }

    /// Waits for something while there is no connection. `None` once the user has left.
    async fn meanwhile<T>(
        &mut self,
        future: impl Future<Output = T>,
    ) -> Result<Option<T>, Failure> {
        let mut future = pin!(future);
        loop {
            self.show()?;
            let deadline = match self.leaves {
                Some(_) if self.front.is_terminal() => return Ok(None),
                Some(deadline) if deadline <= runtime::now() => return Ok(None),
                deadline => deadline,
            };
            match self.next(future.as_mut(), deadline).await? {
                Happened::Input(input) => self.take(input),
                Happened::Done(done) => return Ok(Some(done)),
                Happened::Time => {}
            }
        }
    }

    /// Waits for the user, for `future`, or until `deadline`.
    async fn next<T>(
        &mut self,
        future: impl Future<Output = T>,
        deadline: Option<Instant>,
    ) -> Result<Happened<T>, Failure> {
        // Who leaves says nothing more, and a program waits for what it has said.
        let is_full = !self.front.is_terminal() && self.client.unsaid.len() >= WINDOW;
        let reads = self.leaves.is_none() && !is_full;
        let input = async {
            match reads {
                true => self.front.next().await.map(Happened::Input),
                false => future::pending().await,
            }
        };
        let done = async { Ok(Happened::Done(future.await)) };
        let time = async {
            match deadline {
                Some(deadline) => runtime::sleep_until(deadline).await,
                None => future::pending().await,
            }
            Ok(Happened::Time)
        };
        runtime::race(input, runtime::race(done, time)).await
    }

    /// Takes what comes of the user.
    fn take(&mut self, input: Input) {
        let is_terminal = self.front.is_terminal();
        let leaves = match input {
            Input::Line(line) if is_terminal => self.client.act(parse(&line)),
            Input::Line(line) => {
                if !line.is_empty() {
                    self.client.act(Action::Say(line));
                }
                false
            }
            Input::Wrong(why) => {
                self.client.show(Event::Failed(why));
                false
            }
            Input::Discarded => {
                let text = "Ctrl-D or /quit leaves".to_owned();
                self.client.show(Event::News(text));
                false
            }
            Input::End => true,
        };
        match leaves {
            true if is_terminal => self.leaves = Some(runtime::now() + LAST),
            true => self.leaves = Some(runtime::now() + self.timeout),
            false => self.front.ready(&self.client),
        }
    }

    fn show(&mut self) -> Result<(), Failure> {
        for event in std::mem::take(&mut self.client.events) {
            self.front.show(&event)?;
        }
        Ok(())
    }

    /// Speaks over one connection.
    async fn talk(&mut self, mut socket: WebSocket<ClientStream>) -> Result<Ended, Failure> {
        self.client.connected();
        let begin = runtime::now();
        let (mut pace, mut heard, mut asked) = (Pace::new(begin), begin, false);
        loop {
            self.show()?;
            let now = runtime::now();
            if self.client.is_welcome {
                self.is_lost = false;
            }
            while self.client.has_commands() && pace.take(now) {
                let command = self.client.next_command().unwrap_or_default();
                if let Err(error) = within(self.timeout, socket.send(&*command)).await {
                    return Ok(Ended::Lost(error.to_string(), false));
                }
            }
            if self.is_done(now) {
                close(&mut socket).await;
                return Ok(Ended::Left);
            }
            let sign = if asked { SILENT + SIGN } else { SILENT };
            let answer = begin + self.timeout;
            let deadlines = [
                Some(heard + sign),
                (!self.client.is_welcome).then_some(answer),
                self.client.has_commands().then(|| pace.next()),
                self.leaves,
            ];
            let deadline = deadlines.into_iter().flatten().min();
            match self.next(socket.recv(), deadline).await? {
                Happened::Input(input) => self.take(input),
                Happened::Done(received) => {
                    (heard, asked) = (runtime::now(), false);
                    if let Some(ended) = self.received(received) {
                        return Ok(ended);
                    }
                }
                Happened::Time => {
                    let now = runtime::now();
                    let is_late = !self.client.is_welcome && now >= answer;
                    if is_late || now >= heard + SILENT + SIGN {
                        return Ok(Ended::Lost("the server does not answer".to_owned(), false));
                    }
                    if !asked && now >= heard + SILENT {
                        asked = true;
                        if let Err(error) = within(self.timeout, socket.ping(b"")).await {
                            return Ok(Ended::Lost(error.to_string(), false));
                        }
                    }
                }
            }
        }
    }

    fn received(&mut self, received: io::Result<Option<Message>>) -> Option<Ended> {
        match received {
            Ok(Some(Message::Text(text))) => self.client.told(&text).err().map(Ended::Refused),
            Ok(Some(Message::Close(frame))) => Some(closed(frame)),
            Ok(Some(_)) => None,
            Ok(None) => Some(Ended::Lost("the server has gone".to_owned(), false)),
            Err(error) => Some(Ended::Lost(error.to_string(), false)),
        }
    }

    /// Returns whether the user is gone: all is acknowledged, or the time is over.
    fn is_done(&mut self, now: Instant) -> bool {
        let Some(deadline) = self.leaves else {
            return false;
        };
        if self.front.is_terminal() {
            return self.client.unsaid.is_empty() || now >= deadline;
        }
        if self.client.is_settled() && self.client.asked == Asked::Nothing {
            self.client.ask();
        }
        self.client.asked == Asked::Answered || now >= deadline
    }
}
