//! The options of a connection.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive as Settings};

use super::Stream;

/// When a TCP connection that is silent is probed, and when it is given up.
///
/// ```
/// use std::time::Duration;
/// use switchboard_net::{Listener, Stream, TcpKeepalive};
/// use switchboard_runtime::Model;
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let stream = Model::Tasks.run(Stream::connect(listener.local_addr()?))??;
/// let keepalive = TcpKeepalive::new()
///     .with_time(Duration::from_secs(60))
///     .with_interval(Duration::from_secs(10))
///     .with_retries(3);
/// stream.set_tcp_keepalive(&keepalive)?;
/// assert!(stream.keepalive()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use = "settings do nothing unless a stream is given them"]
pub struct TcpKeepalive {
    time: Option<Duration>,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl TcpKeepalive {
    /// Returns the system's settings.
    pub fn new() -> TcpKeepalive {
        TcpKeepalive::default()
    }

    /// Sets after which time of silence the first probe is sent, in whole seconds.
    pub fn with_time(mut self, time: Duration) -> TcpKeepalive {
        self.time = Some(time);
        self
    }

    /// Sets the time between probes, in whole seconds.
    pub fn with_interval(mut self, interval: Duration) -> TcpKeepalive {
        self.interval = Some(interval);
        self
    }

    /// Sets after how many unanswered probes the connection is given up.
    pub fn with_retries(mut self, retries: u32) -> TcpKeepalive {
        self.retries = Some(retries);
        self
    }
}

// Each method fails with the system's error, and for a Unix socket if the option is one of TCP or IP.
impl Stream {
    /// Makes the close a reset (`SO_LINGER` of zero), which discards bytes that were not sent yet.
    ///
    /// # Errors
    /// The system's.
    pub fn reset_on_close(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// Sets how the close treats bytes that were not sent yet (`SO_LINGER`): with `None` the system goes on
    /// sending them, with zero it discards them and resets the connection. Any other time **blocks the
    /// thread** that drops the stream, and all flows of its loop, until they are sent or the time is over;
    /// [`linger_close`](Stream::linger_close) waits as the flow does.
    ///
    /// # Errors
    /// The system's.
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(time)
    }

    /// Returns the time that [`set_linger`](Stream::set_linger) has set.
    ///
    /// # Errors
    /// The system's.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Sets whether small messages are sent at once (`TCP_NODELAY`). Accepted and connected streams have it
    /// on.
    ///
    /// # Errors
    /// The system's; a Unix socket has no such option.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_nodelay(on)
    }

    /// Returns whether small messages are sent at once.
    ///
    /// # Errors
    /// The system's; a Unix socket has no such option.
    pub fn nodelay(&self) -> io::Result<bool> {
        SockRef::from(self).tcp_nodelay()
    }

    /// Sets whether a silent connection is probed (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// The system's.
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        SockRef::from(self).set_keepalive(on)
    }

    /// Returns whether a silent connection is probed.
    ///
    /// # Errors
    /// The system's.
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// Has a silent connection probed as `settings` say.
    ///
    /// # Errors
    /// The system's; a Unix socket has no such option.
    pub fn set_tcp_keepalive(&self, settings: &TcpKeepalive) -> io::Result<()> {
        let mut all = Settings::new();
        if let Some(time) = settings.time {
            all = all.with_time(time);
        }
        if let Some(interval) = settings.interval {
            all = all.with_interval(interval);
        }
        if let Some(retries) = settings.retries {
            all = all.with_retries(retries);
        }
        SockRef::from(self).set_tcp_keepalive(&all)
    }
}
