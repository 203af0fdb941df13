//! Adapters for hyper: streams as its I/O traits, the flow's sleep as its timer.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use switchboard_runtime as runtime;

/// A futures-io stream, adapted to hyper's `Read` and `Write`.
#[derive(Debug)]
pub struct Io<S>(pub S);

const SCRATCH: usize = 16 * 1024;

thread_local! {
    /// Receives bytes before they are copied to hyper's buffer, which is uninitialised. The copy of the
    /// received bytes costs less than zeroing the whole buffer before each read.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<S: AsyncRead + Unpin> Read for Io<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // The buffer is taken, because the stream's own read may come here again.
        let mut buffer = BUFFER.take();
        buffer.resize(SCRATCH, 0);
        let capacity = into.remaining().min(SCRATCH);
        let read = Pin::new(&mut self.0).poll_read(context, &mut buffer[..capacity]);
        if let Poll::Ready(Ok(length)) = read {
            into.put_slice(&buffer[..length]);
        }
        BUFFER.set(buffer);
        read.map_ok(drop)
    }
}

impl<S: AsyncWrite + Unpin> Write for Io<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }
}

/// A hyper timer that sleeps in the way of the flow that polls it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

struct Sleep(runtime::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(())
    }
}

impl hyper::rt::Sleep for Sleep {}

impl hyper::rt::Timer for Timer {
    fn sleep(&self, delay: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(runtime::sleep(delay)))
    }

    fn sleep_until(&self, when: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Sleep(runtime::Sleep::until(when)))
    }

    fn now(&self) -> Instant {
        runtime::now()
    }
}
