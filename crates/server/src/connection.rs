//! One connection: its handler, and what became of it.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use switchboard_net::Stream;

use crate::counts::add;
use crate::shared::Permit;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fine,
    Failed,
    Panicked,
}

pin_project! {
    /// A future that runs a handler and counts how it ended; a panic ends here.
    ///
    /// Written by hand, because an async function would hold its arguments twice in every connection.
    pub(crate) struct Connection<F> {
        permit: Permit,
        #[pin]
        handler: Option<F>,
    }
}

/// Calls `handler` for a connection. The call is made here, so that the connection is as large as the
/// handler's future and no larger.
pub(crate) fn connection<F>(
    handler: impl FnOnce(Stream) -> F,
    stream: Stream,
    permit: Permit,
) -> Connection<F> {
    permit.started();
    let handler = catch_unwind(AssertUnwindSafe(|| handler(stream))).ok();
    Connection { permit, handler }
}

impl<F: Future<Output = io::Result<()>>> Future for Connection<F> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = this.handler.as_mut().as_pin_mut()?.poll(context);
            if polled.is_ready() {
                // A panic of the handler's destructors is caught too.
                this.handler.set(None);
            }
            Some(polled)
        }));
        let shared = this.permit.shared();
        Poll::Ready(match polled {
            Ok(Some(Poll::Pending)) => return Poll::Pending,
            Ok(Some(Poll::Ready(Ok(())))) => {
                shared.hooks.close(None);
                End::Fine
            }
            Ok(Some(Poll::Ready(Err(error)))) => {
                add(&shared.counts.failed);
                shared.hooks.close(Some(&error));
                End::Failed
            }
            // The handler panicked now, or when it was called.
            Ok(None) | Err(_) => {
                add(&shared.counts.panicked);
                shared.hooks.close(Some(&"the handler panicked"));
                End::Panicked
            }
        })
    }
}
