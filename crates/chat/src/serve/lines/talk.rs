//! A conversation over a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Sleep};

use super::CLOSE;
use super::conversation::Conversation;
use crate::Now;

/// A future that receives and sends side by side. It completes with the stream once the last line is sent, or with none
/// if the client does not take it.
pub(super) struct Talk {
    /// `None` at the end.
    stream: Option<Stream>,
    /// `None` once the last line is among `lines`.
    conversation: Option<Conversation>,
    /// What is sent next, from `sent` on.
    lines: Vec<u8>,
    sent: usize,
    /// The client sends nothing more.
    has_ended: bool,
    timer: Sleep,
}

/// How many chunks one poll takes before others have their turn.
const TURN: usize = 8;

impl Talk {
    pub(super) fn new(stream: Stream, conversation: Conversation) -> Talk {
        Talk {
            stream: Some(stream),
            conversation: Some(conversation),
            lines: Vec::new(),
            sent: 0,
            has_ended: false,
            // It looks at the conversation at once, to learn when to look again.
            timer: Sleep::until(runtime::now()),
        }
    }

    /// Looks whether the time of something is over. Completes if that is the client's for its last lines.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.timer).poll(context));
            let Some(conversation) = &mut self.conversation else {
                return Poll::Ready(());
            };
            let next = conversation.check(Now::read());
            self.timer.reset(runtime::now() + next);
        }
    }

    /// Receives. Returns whether it stops because answers wait that the client has not taken.
    fn poll_receive(&mut self, stream: &Stream, context: &mut Context<'_>) -> io::Result<bool> {
        for _ in 0..TURN {
            let Some(conversation) = self.conversation.as_mut().filter(|_| !self.has_ended) else {
                return Ok(false);
            };
            if conversation.is_behind() {
                return Ok(true);
            }
            let Poll::Ready(chunk) = stream.poll_recv(context)? else {
                return Ok(false);
            };
            self.has_ended = chunk.is_empty();
            match self.has_ended {
                true => conversation.finish(Now::read()),
                false => conversation.receive(&chunk, Now::read()),
            }
        }
        context.waker().wake_by_ref();
        Ok(false)
    }

    /// Sends lines, the last ones too.
    fn poll_send(&mut self, stream: &Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.lines.len() {
                match (
                    stream.poll_send(context, &self.lines[self.sent..]),
                    &mut self.conversation,
                ) {
                    (Poll::Ready(sent), _) => self.sent += sent?,
                    (Poll::Pending, None) => return Poll::Pending,
                    (Poll::Pending, Some(conversation)) => {
                        // Only whole lines are among them, so the last one has its place behind them.
                        ready!(conversation.poll_end(context, &mut self.lines));
                        self.close(context);
                    }
                }
            }
            // An idle connection holds no space for lines.
            (self.lines, self.sent) = (Vec::new(), 0);
            let Some(conversation) = &mut self.conversation else {
                return Poll::Ready(Ok(()));
            };
            if ready!(conversation.poll_lines(context, &mut self.lines)) {
                self.close(context);
            }
        }
    }

    /// Ends the client's presence. What is left are lines to send.
    fn close(&mut self, context: &mut Context<'_>) {
        self.conversation = None;
        self.timer.reset(runtime::now() + CLOSE);
        // The timer is waited for where it is looked at.
        context.waker().wake_by_ref();
    }

    fn is_behind(&self) -> bool {
        let conversation = self.conversation.as_ref();
        conversation.is_some_and(Conversation::is_behind)
    }

    fn poll_end(&mut self, stream: &Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let stops = self.poll_receive(stream, context)?;
            if self.conversation.as_ref().is_some_and(Conversation::is_due) {
                self.timer.reset(runtime::now());
                // The timer is waited for where it is looked at.
                context.waker().wake_by_ref();
            }
            match self.poll_send(stream, context) {
                // Who has ended both directions is told nothing.
                Poll::Ready(Err(_)) if self.has_ended => return Poll::Ready(Ok(())),
                Poll::Pending if stops && !self.is_behind() => {}
                polled => return polled,
            }
        }
    }
}

impl Future for Talk {
    type Output = io::Result<Option<Stream>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.poll_timer(context).is_ready() {
            return Poll::Ready(Ok(None));
        }
        let Some(stream) = this.stream.take() else {
            return Poll::Pending;
        };
        let ended = this.poll_end(&stream, context);
        if let Poll::Ready(ended) = ended {
            return Poll::Ready(ended.map(|()| Some(stream)));
        }
        this.stream = Some(stream);
        Poll::Pending
    }
}
