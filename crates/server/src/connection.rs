//! One connection: its handler, and what became of it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::FutureExt;
use pin_project_lite::pin_project;
use switchboard_net::Stream;
use switchboard_reactor::Ending;
use switchboard_runtime::green;

use crate::output::HandlerOutput;
use crate::shared::{Admission, Permit};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fine,
    Failed,
    Panicked,
}

pin_project! {
    /// A future that runs a handler and counts how it ended. A panic of the handler goes on to the flow,
    /// and is counted as the connection is dropped.
    ///
    /// Written by hand, because an async function would hold its arguments twice in every connection.
    pub(crate) struct Connection<F> {
        // None once it was taken from a connection that has ended.
        permit: Option<Permit>,
        // Whether the handler runs, or its destructors; or its call has panicked, which is not counted yet.
        running: bool,
        #[pin]
        handler: Option<F>,
    }

    impl<F> PinnedDrop for Connection<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // A green thread that is cut unwinds its stack, which is no panic.
            if *this.running && !green::is_unwinding() {
                close_in_drop(this.permit, Ending::Panicked);
            } else if *this.running || this.handler.is_some() {
                close_in_drop(this.permit, Ending::Cut);
            }
        }
    }
}

impl<F> Connection<F> {
    /// Takes the permit of a connection that has ended, to return it later than the connection is dropped.
    pub(crate) fn take_permit(self: Pin<&mut Self>) -> Option<Permit> {
        self.project().permit.take()
    }
}

/// Counts how the connection ended, and tells the hooks. Their panic is caught: within another one that
/// unwinds, it would end the process.
fn close_in_drop(permit: &mut Option<Permit>, ending: Ending<'_>) {
    let close = |permit: &mut Permit| permit.close(ending);
    let _ = catch_unwind(AssertUnwindSafe(|| permit.as_mut().map(close)));
}

/// Calls `handler` for a connection. The call is made here, so that the connection is as large as the
/// handler's future and no larger.
pub(crate) fn connection<F>(
    handler: impl FnOnce(Stream) -> F,
    stream: Stream,
    admission: Admission,
) -> Connection<F> {
    let permit = admission.start();
    let handler = catch_unwind(AssertUnwindSafe(|| handler(stream))).ok();
    Connection {
        permit: Some(permit),
        running: handler.is_none(),
        handler,
    }
}

impl<F: Future<Output: HandlerOutput>> Future for Connection<F> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let mut this = self.project();
        let Some(handler) = this.handler.as_mut().as_pin_mut() else {
            // The handler panicked when it was called.
            *this.running = false;
            close_in_drop(this.permit, Ending::Panicked);
            return Poll::Ready(End::Panicked);
        };
        *this.running = true;
        let polled = handler.poll(context);
        if polled.is_ready() {
            this.handler.set(None);
        }
        *this.running = false;
        polled.map(|output| finish(this.permit, output))
    }
}

// Not inlined, so that the polls of a connection that goes on save no registers for its end.
#[inline(never)]
fn finish(permit: &mut Option<Permit>, output: impl HandlerOutput) -> End {
    let result = output.into_result();
    let end = match &result {
        Ok(()) => End::Fine,
        Err(_) => End::Failed,
    };
    if let Some(permit) = permit {
        match &result {
            Ok(()) => permit.close(Ending::Finished),
            Err(error) => permit.close(Ending::Failed(&**error)),
        }
    }
    end
}

/// Runs a connection in a flow that goes on with others: a panic ends the connection only.
pub(crate) async fn isolated(connection: impl Future<Output = End>) -> End {
    AssertUnwindSafe(connection)
        .catch_unwind()
        .await
        .unwrap_or(End::Panicked)
}
