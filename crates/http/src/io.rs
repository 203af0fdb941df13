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

/// A hyper executor that starts each future as a flow beside the running one: a task, a green thread or a
/// thread, by the model.
///
/// A model that starts no flows (`blocking`) drops the future. The panics of a flow are its own.
///
/// ```
/// use hyper::rt::Executor as _;
/// use switchboard_http::Executor;
/// use switchboard_runtime::{self as runtime, Model};
///
/// for model in [Model::Threads, Model::Tasks, Model::Green] {
///     let ran = model.run(async {
///         let (sender, receiver) = runtime::channel(1);
///         Executor.execute(async move { sender.send(7).await });
///         receiver.recv().await
///     })?;
///     assert_eq!(ran, Ok(7));
/// }
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        runtime::spawn(future).detach();
    }
}
