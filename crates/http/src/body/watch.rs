//! How a body ended.

type End = Box<dyn FnOnce(u64, bool) + Send>;

/// Counts what is taken of a body, and tells it when the body is dropped.
pub(crate) struct Watch {
    bytes: u64,
    whole: bool,
    /// `None` once it was told.
    end: Option<End>,
    /// The watch of whoever asked before.
    before: Option<Box<Watch>>,
}

impl Watch {
    pub(crate) fn new(
        end: impl FnOnce(u64, bool) + Send + 'static,
        before: Option<Box<Watch>>,
    ) -> Watch {
        Watch {
            bytes: 0,
            whole: false,
            end: Some(Box::new(end)),
            before,
        }
    }

    /// Counts bytes that were taken; `whole` once nothing is left.
    pub(crate) fn count(&mut self, bytes: u64, whole: bool) {
        self.bytes += bytes;
        self.whole |= whole;
        if let Some(before) = &mut self.before {
            before.count(bytes, whole);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(self.bytes, self.whole);
        }
    }
}
