//! A conversation by callbacks.
//!
//! The callbacks take what the client sends. A task of the same loop, the pump, writes what it is told: whoever tells
//! it something, on whichever thread, wakes that task.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use switchboard_callbacks::{Protocol, Transport};
use switchboard_runtime::{self as runtime, Sleep};

use super::conversation::{BATCH, Conversation};
use super::{CLOSE, LINGER, LineService};
use crate::Now;

/// The callbacks of one connection of a [`LineService`]. They need a loop.
///
/// ```no_run
/// use switchboard_callbacks::{create_server, run};
/// use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService};
/// use switchboard_runtime::Driver;
///
/// let service = LineService::new(Hub::new(HubOptions::default(), InMemory), LineOptions::default());
/// run(Driver::best(), || {
///     create_server("127.0.0.1:7008", move || service.protocol()).map(drop)
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct LineProtocol {
    service: LineService,
    open: Option<Rc<Open>>,
}

/// What the callbacks and the pump share.
struct Open {
    transport: Transport,
    /// `None` once the last line is written, or the connection is lost.
    conversation: RefCell<Option<Conversation>>,
    /// The client takes nothing.
    is_slow: Cell<bool>,
    /// Nothing is received before the client has taken answers.
    is_held: Cell<bool>,
    /// The client sends nothing more.
    has_ended: Cell<bool>,
    is_lost: Cell<bool>,
    pump: Cell<Option<Waker>>,
}

struct Pump {
    open: Rc<Open>,
    timer: Sleep,
    /// Until when the last lines may wait.
    closes: Option<Instant>,
}

impl LineProtocol {
    pub(super) fn new(service: LineService) -> LineProtocol {
        LineProtocol {
            service,
            open: None,
        }
    }

    fn converse(&self, act: impl FnOnce(&Open, &mut Conversation)) {
        let Some(open) = &self.open else { return };
        if let Some(conversation) = &mut *open.conversation.borrow_mut() {
            act(open, conversation);
        }
        open.wake();
    }
}

impl Protocol for LineProtocol {
    fn connection_made(&mut self, transport: &Transport) {
        self.service.set_up(
            |on| transport.set_nodelay(on),
            |keepalive| transport.set_tcp_keepalive(keepalive),
        );
        let open = Rc::new(Open {
            transport: transport.clone(),
            conversation: RefCell::new(Some(self.service.converse())),
            is_slow: Cell::new(false),
            is_held: Cell::new(false),
            has_ended: Cell::new(false),
            is_lost: Cell::new(false),
            pump: Cell::new(None),
        });
        self.open = Some(open.clone());
        let timer = Sleep::until(runtime::now());
        let closes = None;
        let pump = runtime::spawn_local(Pump {
            open,
            timer,
            closes,
        });
        // Only where there is no loop.
        if pump.is_finished() {
            transport.abort();
        }
        pump.detach();
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.converse(|open, conversation| {
            conversation.receive(data, Now::read());
            if conversation.is_behind() {
                open.is_held.set(true);
                transport.pause_reading();
            }
        });
    }

    fn eof_received(&mut self, _: &Transport) -> bool {
        self.converse(|open, conversation| {
            open.has_ended.set(true);
            conversation.finish(Now::read());
        });
        // The pump closes once the last line is written, or has written it before.
        let Some(open) = &self.open else { return false };
        open.conversation.borrow().is_some()
    }

    fn pause_writing(&mut self, _: &Transport) {
        self.converse(|open, _| open.is_slow.set(true));
    }

    fn resume_writing(&mut self, _: &Transport) {
        self.converse(|open, _| open.is_slow.set(false));
    }

    fn connection_lost(&mut self, _: &Transport, _: Option<&io::Error>) {
        if let Some(open) = self.open.take() {
            open.is_lost.set(true);
            let conversation = open.conversation.take();
            drop(conversation);
            open.wake();
        }
    }
}

impl Open {
    fn wake(&self) {
        if let Some(waker) = self.pump.take() {
            waker.wake();
        }
    }

    /// Writes what the client is told. Completes once the last line is written.
    fn poll_write(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut kept = self.conversation.borrow_mut();
        let Some(conversation) = &mut *kept else {
            return Poll::Ready(());
        };
        let mut written = 0;
        while written < BATCH {
            let mut lines = Vec::new();
            let polled = match self.is_slow.get() {
                true => conversation.poll_end(context, &mut lines).map(|()| true),
                false => conversation.poll_lines(context, &mut lines),
            };
            let Poll::Ready(is_last) = polled else {
                return Poll::Pending;
            };
            self.transport.write(&lines);
            written += lines.len();
            if is_last {
                return Poll::Ready(());
            }
            if !conversation.is_behind() && self.is_held.take() {
                self.transport.resume_reading();
            }
        }
        // The connection's own flow says whether the client takes these, before the next ones.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Closes behind the last line.
    fn close(&self) {
        let conversation = self.conversation.take();
        drop(conversation);
        match self.has_ended.get() {
            true => self.transport.close(),
            // What comes still is discarded: a reset could overtake the last line.
            false => {
                self.transport.write_eof();
                self.transport.resume_reading();
            }
        }
    }

    /// Ends the connection of a client that has had its last line for a while, or does not take it.
    fn cut(&self, is_late: bool) {
        match (self.transport.write_buffer_size(), is_late) {
            (0, _) => self.transport.close(),
            (_, true) => self.transport.abort(),
            (_, false) => {}
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Pump {
            open,
            timer,
            closes,
        } = &mut *self;
        if open.is_lost.get() {
            return Poll::Ready(());
        }
        open.pump.set(Some(context.waker().clone()));
        let is_due = open
            .conversation
            .borrow()
            .as_ref()
            .is_some_and(Conversation::is_due);
        if is_due {
            timer.reset(runtime::now());
        }
        loop {
            while Pin::new(&mut *timer).poll(context).is_ready() {
                let next = match &mut *open.conversation.borrow_mut() {
                    Some(conversation) => conversation.check(Now::read()),
                    None => {
                        open.cut(closes.is_some_and(|limit| limit <= runtime::now()));
                        LINGER
                    }
                };
                timer.reset(runtime::now() + next);
            }
            if closes.is_some() || open.poll_write(context).is_pending() {
                return Poll::Pending;
            }
            open.close();
            *closes = Some(runtime::now() + CLOSE);
            timer.reset(runtime::now() + LINGER);
        }
    }
}

impl fmt::Debug for LineProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.open {
            Some(open) => write!(f, "LineProtocol({:?})", open.transport),
            None => f.write_str("LineProtocol(not open)"),
        }
    }
}
