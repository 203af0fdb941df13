//! The options of a connection.

use std::io;

use socket2::SockRef;

use super::Stream;

impl Stream {
    /// Makes the close a reset (`SO_LINGER` of zero), which discards bytes that were not sent yet.
    ///
    /// # Errors
    /// The system's.
    pub fn reset_on_close(&self) -> io::Result<()> {
        SockRef::from(self).set_linger(Some(std::time::Duration::ZERO))
    }

    /// Sets whether small messages are sent at once (`TCP_NODELAY`). Accepted and connected streams have it
    /// on.
    ///
    /// # Errors
    /// The system's; a Unix socket has no such option.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_nodelay(on)
    }
}
