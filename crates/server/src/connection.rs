//! One connection: its handler, and what becomes of it.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use switchboard_net::Stream;

use crate::accept::Place;
use crate::counts::add;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fine,
    Failed,
    Panicked,
}

pin_project! {
    /// Runs the handler; what goes wrong is counted and ends here.
    ///
    /// By hand, because an async function would keep its arguments twice, for every connection.
    pub(crate) struct Connection<F> {
        place: Place,
        #[pin]
        handler: Option<F>,
    }
}

/// The handler is called here, so that what runs is as large as its future and no larger.
pub(crate) fn connection<F>(
    handler: impl FnOnce(Stream) -> F,
    stream: Stream,
    place: Place,
) -> Connection<F> {
    place.ran();
    let handler = catch_unwind(AssertUnwindSafe(|| handler(stream))).ok();
    Connection { place, handler }
}

impl<F: Future<Output = io::Result<()>>> Future for Connection<F> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = this.handler.as_mut().as_pin_mut()?.poll(context);
            if polled.is_ready() {
                // Here, where a panic in its destructors is caught too.
                this.handler.set(None);
            }
            Some(polled)
        }));
        let shared = this.place.shared();
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
            // It panicked now, or as it was called.
            Ok(None) | Err(_) => {
                add(&shared.counts.panicked);
                shared.hooks.close(Some(&"the handler panicked"));
                End::Panicked
            }
        })
    }
}
