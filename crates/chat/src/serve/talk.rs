//! The conversation with a WebSocket client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use switchboard_runtime::{self as runtime, Sleep};
use switchboard_websocket::{CloseCode, CloseFrame, Message, WebSocket, Wire};

use super::ServiceOptions;
use crate::{Bye, Connection, Now, Parcel};

/// A future that receives and sends side by side, and asks a silent client for a sign.
pub(super) struct Talk<S> {
    socket: WebSocket<S>,
    connection: Connection,
    options: Arc<ServiceOptions>,
    /// What is sent next, from `sent` on.
    batch: Vec<Parcel>,
    sent: usize,
    /// The client has not taken what was sent last.
    is_stalled: bool,
    phase: Phase,
    timer: Sleep,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `hello` is waited for.
    Greeting,
    /// Nothing came since the timer was armed.
    Quiet,
    /// Something did.
    Heard,
    /// A ping is not answered.
    Asked,
    /// The connection is being closed.
    Closing,
}

/// How many bytes are taken out of the queue at a time.
const BATCH: usize = 64 * 1024;

/// How many messages one poll takes before others have their turn.
const TURN: usize = 32;

impl<S: Wire> Talk<S> {
    pub(super) fn new(
        socket: WebSocket<S>,
        connection: Connection,
        options: Arc<ServiceOptions>,
    ) -> Talk<S> {
        Talk {
            timer: runtime::sleep(options.hello),
            socket,
            connection,
            options,
            batch: Vec::new(),
            sent: 0,
            is_stalled: false,
            phase: Phase::Greeting,
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            match ready!(self.socket.poll_recv(context))? {
                None => return Poll::Ready(Ok(())),
                // What is queued still would have no receiver.
                Some(Message::Close(frame)) => {
                    self.phase = Phase::Closing;
                    // A page that is reloaded says otherwise, and comes back.
                    if frame.is_some_and(|frame| frame.code == CloseCode::Normal) {
                        self.connection.quit();
                    }
                }
                Some(_) if self.phase == Phase::Closing => {}
                Some(Message::Text(text)) => {
                    self.connection.receive(text.as_bytes(), Now::read());
                }
                Some(Message::Binary(_)) => {
                    self.connection.refuse_text("use texts: this is binary")
                }
                Some(_) => {}
            }
            self.heard();
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Notes a sign of the client.
    fn heard(&mut self) {
        if matches!(self.phase, Phase::Quiet | Phase::Asked) {
            self.phase = Phase::Heard;
        }
    }

    /// Sends what is queued. Completes never: the connection ends by what is received.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.phase != Phase::Closing {
            if self.poll_batch(context)?.is_pending() {
                self.is_stalled = true;
                // A client that takes nothing is told of the end all the same.
                let bye = ready!(self.connection.poll_end(context));
                self.close(bye, context);
                break;
            }
            ready!(self.connection.poll_ready(context));
            let end = self.connection.take(BATCH, &mut self.batch);
            if let Some(bye) = end
                && self.poll_batch(context)?.is_ready()
            {
                self.close(bye, context);
            }
        }
        Poll::Pending
    }

    /// Sends the rest of the batch.
    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.batch.len() {
            let rest = &self.batch[self.sent..];
            self.sent += ready!(self.socket.poll_send(context, rest))?;
            self.took();
        }
        ready!(self.socket.poll_flush(context))?;
        self.took();
        // An idle connection holds no space for messages.
        (self.batch, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    /// Notes that the client has taken bytes: if it had not for a while, that is a sign of it.
    fn took(&mut self) {
        if std::mem::take(&mut self.is_stalled) {
            self.heard();
        }
    }

    /// Closes, without what is not sent yet.
    fn close(&mut self, bye: Bye, context: &mut Context<'_>) {
        (self.batch, self.sent) = (Vec::new(), 0);
        self.phase = Phase::Closing;
        self.socket.start_close(Some(CloseFrame {
            code: CloseCode::from(bye.code()),
            reason: bye.text().into(),
        }));
        // Closing goes on where it is received.
        context.waker().wake_by_ref();
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while Pin::new(&mut self.timer).poll(context).is_ready() {
            self.connection.check(Now::read());
            let options = &self.options;
            let next = match self.phase {
                Phase::Greeting if self.connection.is_waiting_for_hello() => {
                    self.connection.end(Bye::HelloLate);
                    options.ping
                }
                // Who it is is not decided about.
                Phase::Greeting if self.connection.nick().is_none() => options.hello,
                Phase::Asked => {
                    self.connection.end(Bye::Silent);
                    options.ping
                }
                Phase::Quiet => {
                    self.phase = Phase::Asked;
                    options.pong
                }
                Phase::Greeting | Phase::Heard => {
                    self.phase = Phase::Quiet;
                    options.ping
                }
                Phase::Closing => options.ping,
            };
            if self.phase == Phase::Asked {
                self.ask(context)?;
            }
            self.arm(next);
        }
        Ok(())
    }

    fn ask(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut ping = std::pin::pin!(self.socket.ping(b""));
        // A client that takes nothing is not asked, and its silence counts.
        let _ = ping.as_mut().poll(context)?;
        Ok(())
    }

    fn arm(&mut self, time: Duration) {
        self.timer.reset(runtime::now() + time);
    }
}

impl<S: Wire + Unpin> Future for Talk<S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.poll_timer(context)?;
        let received = this.poll_receive(context);
        if received.is_ready() {
            return received;
        }
        this.poll_send(context)
    }
}
