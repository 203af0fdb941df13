//! Transports: what a protocol writes to.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use switchboard_net::{Addr, Chunk, Stream};
use switchboard_runtime as runtime;

/// When writing is to pause, and when it may go on, unless a transport is told otherwise; bytes.
const HIGH: usize = 64 * 1024;
const LOW: usize = 16 * 1024;

/// One end of a connection, as its protocol sees it: it takes bytes at once and sends them when the peer
/// has room for them. A clone is the same transport.
///
/// No method blocks, and none calls the protocol: what follows from a call is told once the callback
/// that made it has returned.
#[derive(Clone)]
pub struct Transport(pub(crate) Rc<Inner>);

/// There is one for every connection, so it is small: cells, each put back by who took it.
pub(crate) struct Inner {
    /// `None` once the connection is lost.
    stream: Cell<Option<Stream>>,
    /// `None` while the connection is idle.
    out: Cell<Option<Box<Out>>>,
    waker: Cell<Option<Waker>>,
    flags: Cell<Flags>,
}

/// Bytes that wait for room, and how many may.
struct Out {
    failed: Option<io::Error>,
    bytes: VecDeque<u8>,
    high: usize,
    low: usize,
    paused: bool,
}

impl Default for Out {
    fn default() -> Out {
        Out {
            failed: None,
            bytes: VecDeque::new(),
            high: HIGH,
            low: LOW,
            paused: false,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Flags {
    /// The connection is in one of its own callbacks, and looks for what they did after them.
    busy: bool,
    closing: bool,
    aborted: bool,
    /// No more is to be written; and the peer was told.
    eof: bool,
    eof_sent: bool,
    /// The peer said that it writes no more.
    ended: bool,
    reading_paused: bool,
}

/// What is to be told to the protocol next.
pub(crate) enum Next {
    Data(Chunk),
    PauseWriting,
    ResumeWriting,
    Lost(Option<io::Error>),
    Nothing,
}

impl Transport {
    pub(crate) fn new(stream: Stream) -> Transport {
        Transport(Rc::new(Inner {
            stream: Cell::new(Some(stream)),
            out: Cell::default(),
            waker: Cell::default(),
            flags: Cell::default(),
        }))
    }

    /// Sends `bytes`: as many as there is room for at once, the others later. What is written after
    /// [`close`](Transport::close), [`abort`](Transport::abort) or [`write_eof`](Transport::write_eof) is
    /// thrown away.
    pub fn write(&self, bytes: &[u8]) {
        let inner = &*self.0;
        let flags = inner.flags.get();
        if bytes.is_empty() || flags.closing || flags.aborted || flags.eof {
            return;
        }
        let sent = match inner.try_send(bytes) {
            Poll::Ready(sent) => sent,
            Poll::Pending => Ok(0),
        };
        if sent.as_ref().is_ok_and(|&sent| sent == bytes.len()) {
            return;
        }
        inner.with_out(|out| match sent {
            Ok(sent) => out.bytes.extend(&bytes[sent..]),
            Err(error) => out.failed = Some(error),
        });
        inner.wake();
    }

    /// Tells the peer, once all is sent, that no more will come; what the peer sends is still received.
    pub fn write_eof(&self) {
        self.0.set(|flags| flags.eof = true);
    }

    /// Ends the connection once all is sent; no more is received. A peer that goes on sending finds a reset,
    /// and may miss what it has not received by then: [`write_eof`](Transport::write_eof) leaves it the time.
    pub fn close(&self) {
        self.0.set(|flags| flags.closing = true);
    }

    /// Ends the connection now; what was not sent yet is thrown away, and the peer finds a reset.
    pub fn abort(&self) {
        self.0.set(|flags| flags.aborted = true);
    }

    /// Whether the connection is lost, or about to end.
    pub fn is_closing(&self) -> bool {
        let flags = self.0.flags.get();
        flags.closing || flags.aborted
    }

    /// Leaves with the peer what it sends, until [`resume_reading`](Transport::resume_reading).
    pub fn pause_reading(&self) {
        self.0.set(|flags| flags.reading_paused = true);
    }

    /// Goes on receiving.
    pub fn resume_reading(&self) {
        self.0.set(|flags| flags.reading_paused = false);
    }

    /// Whether what the peer sends is received.
    pub fn is_reading(&self) -> bool {
        let flags = self.0.flags.get();
        !(flags.reading_paused || flags.ended || self.is_closing())
    }

    /// How many bytes wait to be sent.
    pub fn write_buffer_size(&self) -> usize {
        let out = self.0.out.take();
        let size = out.as_ref().map_or(0, |out| out.bytes.len());
        self.0.out.set(out);
        size
    }

    /// Sets the water marks, in bytes: the protocol is told to pause writing when more than `high` wait,
    /// and to resume when no more than `low` do. 64 and 16 KiB, if never set.
    ///
    /// # Panics
    /// If `low` is above `high`.
    pub fn set_write_buffer_limits(&self, high: usize, low: usize) {
        assert!(
            low <= high,
            "a low-water mark of {low} above a high one of {high}"
        );
        self.0.with_out(|out| (out.high, out.low) = (high, low));
        self.0.wake();
    }

    /// This end's address.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost; the system's.
    pub fn local_addr(&self) -> io::Result<Addr> {
        self.0.with_stream(Stream::local_addr)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// `NotConnected` once the connection is lost, or the peer is gone.
    pub fn peer_addr(&self) -> io::Result<Addr> {
        self.0.with_stream(Stream::peer_addr)
    }
}

/// Whether both are the same transport.
impl PartialEq for Transport {
    fn eq(&self, other: &Transport) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transport {}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.with_stream(|stream| Ok(format!("{stream:?}"))) {
            Ok(stream) => write!(f, "Transport({stream})"),
            Err(_) => f.write_str("Transport(lost)"),
        }
    }
}

impl Inner {
    fn with_stream<T>(&self, f: impl FnOnce(&Stream) -> io::Result<T>) -> io::Result<T> {
        let Some(stream) = self.stream.take() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let result = f(&stream);
        self.stream.set(Some(stream));
        result
    }

    fn with_out(&self, f: impl FnOnce(&mut Out)) {
        let mut out = self.out.take().unwrap_or_default();
        f(&mut out);
        self.out.set(Some(out));
    }

    fn set(&self, f: impl FnOnce(&mut Flags)) {
        let mut flags = self.flags.get();
        f(&mut flags);
        self.flags.set(flags);
        self.wake();
    }

    /// Has the connection look at what was done to it, unless it is about to.
    fn wake(&self) {
        if !self.flags.get().busy {
            self.with_waker(Waker::wake_by_ref);
        }
    }

    /// Enters the connection's callbacks, or leaves them.
    pub(crate) fn set_busy(&self, busy: bool) {
        let flags = self.flags.get();
        self.flags.set(Flags { busy, ..flags });
    }

    /// Keeps whom to wake.
    pub(crate) fn keep(&self, waker: &Waker) {
        let kept = self.waker.take();
        let kept = kept.filter(|kept| kept.will_wake(waker));
        self.waker.set(kept.or_else(|| Some(waker.clone())));
    }

    /// Nobody, before the connection has begun and after its end.
    fn with_waker<T>(&self, f: impl FnOnce(&Waker) -> T) -> T {
        let kept = self.waker.take();
        let result = f(kept.as_ref().unwrap_or(Waker::noop()));
        self.waker.set(kept);
        result
    }

    /// Sends without a look at what waits already, if none does.
    fn try_send(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let out = self.out.take();
        let waits = out
            .as_ref()
            .is_some_and(|out| !out.bytes.is_empty() || out.failed.is_some());
        self.out.set(out);
        // Without its loop it would block.
        if waits || !runtime::is_on_loop() {
            return Poll::Pending;
        }
        self.with_waker(|waker| self.send(&mut Context::from_waker(waker), bytes))
    }

    fn send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.with_stream(|stream| Ok(stream.poll_send(context, bytes)));
        sent.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    /// Does what can be done now, up to something that the protocol is to be told.
    pub(crate) fn next(&self, context: &mut Context<'_>) -> Next {
        if self.flags.get().aborted {
            // The peer is told by a reset; if that can't be, by an end.
            let _ = self.with_stream(Stream::reset_on_close);
            return Next::Lost(None);
        }
        match self.flush_out(context) {
            Ok(None) => {}
            Ok(Some(next)) => return next,
            Err(error) => return Next::Lost(Some(error)),
        }
        let flags = self.flags.get();
        if flags.closing || flags.ended || flags.reading_paused {
            return Next::Nothing;
        }
        match self.with_stream(|stream| Ok(stream.poll_recv(context))) {
            Ok(Poll::Pending) => Next::Nothing,
            Ok(Poll::Ready(Err(error))) | Err(error) => Next::Lost(Some(error)),
            Ok(Poll::Ready(Ok(chunk))) => {
                self.flags.set(Flags {
                    ended: chunk.is_empty(),
                    ..flags
                });
                Next::Data(chunk)
            }
        }
    }

    /// Sends what waits; and what is to be done once nothing does.
    fn flush_out(&self, context: &mut Context<'_>) -> io::Result<Option<Next>> {
        if let Some(mut out) = self.out.take() {
            let next = self.flush(&mut out, context)?;
            let idle = out.bytes.is_empty();
            // Kept where it was set up.
            if !idle || out.paused || (out.high, out.low) != (HIGH, LOW) {
                self.out.set(Some(out));
            }
            if next.is_some() || !idle {
                return Ok(next);
            }
        }
        let flags = self.flags.get();
        if flags.closing {
            return Ok(Some(Next::Lost(None)));
        }
        if flags.eof && !flags.eof_sent {
            self.flags.set(Flags {
                eof_sent: true,
                ..flags
            });
            // A peer that is gone needs no telling.
            let _ = self.with_stream(Stream::shutdown_write);
        }
        Ok(None)
    }

    fn flush(&self, out: &mut Out, context: &mut Context<'_>) -> io::Result<Option<Next>> {
        if let Some(error) = out.failed.take() {
            return Err(error);
        }
        while !out.bytes.is_empty() {
            match self.send(context, out.bytes.as_slices().0) {
                Poll::Ready(sent) => drop(out.bytes.drain(..sent?)),
                Poll::Pending => break,
            }
        }
        let waiting = out.bytes.len();
        if waiting == 0 {
            out.bytes.shrink_to_fit();
        }
        if waiting > out.high && !out.paused {
            out.paused = true;
            return Ok(Some(Next::PauseWriting));
        }
        if waiting <= out.low && out.paused {
            out.paused = false;
            return Ok(Some(Next::ResumeWriting));
        }
        Ok(None)
    }

    /// Ends it all: whoever still holds the transport holds no connection.
    pub(crate) fn lose(&self) {
        let flags = self.flags.get();
        self.flags.set(Flags {
            closing: true,
            aborted: true,
            ..flags
        });
        drop(self.stream.take());
        drop(self.out.take());
        drop(self.waker.take());
    }
}
