//! Handles that do not keep a connection open.

use switchboard_runtime::WeakSource;

use super::Stream;

/// A handle of a [`Stream`] that does not keep the connection open.
///
/// ```
/// use switchboard_net::Stream;
///
/// let (here, _there) = Stream::pair()?;
/// let weak = here.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(here);
/// assert!(weak.upgrade().is_none());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct WeakStream(WeakSource);

impl WeakStream {
    pub(super) fn new(source: WeakSource) -> WeakStream {
        WeakStream(source)
    }

    /// Returns the connection, unless its last clone was dropped.
    pub fn upgrade(&self) -> Option<Stream> {
        self.0.upgrade().map(Stream)
    }
}
