//! The span of a flow: what `tracing` calls the context of its events.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::Span;

/// The [`tracing`] span in which a flow runs, or none. A flow without a span, as each is where nobody
/// subscribes, costs a word of memory and a comparison a poll.
///
/// ```
/// use switchboard_runtime::FlowSpan;
///
/// assert!(FlowSpan::new(tracing::Span::none()).is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct FlowSpan(Option<Box<Span>>);

impl FlowSpan {
    /// Returns a flow's span. A span that no subscriber wants is none.
    pub fn new(span: Span) -> FlowSpan {
        FlowSpan((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// Returns whether there is no span.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Calls `f` in the span.
    pub fn in_scope<T>(&self, f: impl FnOnce() -> T) -> T {
        let _entered = self.0.as_deref().map(Span::enter);
        f()
    }

    /// Returns a future that is polled in the span. The span is left between two polls, so that what other
    /// flows of the thread do is not taken for its own.
    pub fn around<F: Future>(self, future: F) -> InSpan<F> {
        InSpan { span: self, future }
    }
}

pin_project! {
    /// The future of [`FlowSpan::around`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct InSpan<F> {
        span: FlowSpan,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for InSpan<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match &this.span.0 {
            None => this.future.poll(context),
            Some(span) => {
                let _entered = span.enter();
                this.future.poll(context)
            }
        }
    }
}
