//! Signals as bytes in a pipe: something to wait for like any socket.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

/// A descriptor that becomes readable when one of its signals arrives. Many that arrive before they
/// are taken may count as one. Dropping it leaves the signals ignored.
///
/// ```
/// use switchboard_reactor::SignalPipe;
///
/// let pipe = SignalPipe::new(&[signal_hook::consts::SIGUSR2])?;
/// assert!(!pipe.take()?);
/// signal_hook::low_level::raise(signal_hook::consts::SIGUSR2)?;
/// assert!(pipe.take()?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct SignalPipe {
    reader: UnixStream,
    ids: Vec<SigId>,
}

impl SignalPipe {
    /// Catches `signals`, by number, from now on.
    ///
    /// # Errors
    /// `InvalidInput` for a signal that can't be caught; the system's error without a descriptor left.
    pub fn new(signals: &[i32]) -> io::Result<SignalPipe> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mut this = SignalPipe {
            reader,
            ids: Vec::new(),
        };
        for &signal in signals {
            this.ids.push(pipe::register(signal, writer.try_clone()?)?);
        }
        Ok(this)
    }

    /// Whether a signal has arrived since the last call. Never blocks.
    ///
    /// # Errors
    /// The system's, if the pipe is broken.
    pub fn take(&self) -> io::Result<bool> {
        let mut taken = false;
        loop {
            match (&self.reader).read(&mut [0; 64]) {
                Ok(0) => return Ok(taken),
                Ok(_) => taken = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for SignalPipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}
