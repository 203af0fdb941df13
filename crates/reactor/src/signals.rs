//! Signals as a descriptor that can be waited for.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::flag;
use signal_hook::low_level::{pipe, unregister};

/// A descriptor that becomes readable when one of its signals arrives. Several signals that arrive before
/// [`take`](SignalPipe::take) may count as one. After the pipe is dropped, the signals have no effect.
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
    /// Makes the reader readable again while a signal is left.
    writer: UnixStream,
    ids: Vec<SigId>,
    /// Each signal, and whether it arrived and was not taken by number.
    arrived: Vec<(i32, Arc<AtomicBool>)>,
}

impl SignalPipe {
    /// Catches `signals`, given by number, from now on.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is not a signal's; the system's error if no descriptor is available.
    ///
    /// # Panics
    /// For a signal that must not be caught, such as `SIGKILL` or `SIGSEGV`.
    pub fn new(signals: &[i32]) -> io::Result<SignalPipe> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let mut this = SignalPipe {
            reader,
            writer,
            ids: Vec::new(),
            arrived: Vec::new(),
        };
        for &signal in signals {
            let arrived = Arc::new(AtomicBool::new(false));
            // Set before the pipe is written to, because actions run in the order of their registration.
            this.ids.push(flag::register(signal, arrived.clone())?);
            this.arrived.push((signal, arrived));
            let writer = this.writer.try_clone()?;
            this.ids.push(pipe::register(signal, writer)?);
        }
        Ok(this)
    }

    /// Returns the number of a signal that has arrived, and `None` once each was returned. Never blocks. A
    /// signal that arrives several times before it is returned counts once. The pipe stays readable while
    /// another signal is left, so that several threads or flows may wait for it.
    ///
    /// [`take`](SignalPipe::take) does not take from what this returns; a pipe is read by one of the two.
    ///
    /// # Errors
    /// The system's error, if reading the pipe fails.
    ///
    /// ```
    /// use signal_hook::consts::{SIGUSR1, SIGUSR2};
    /// use switchboard_reactor::SignalPipe;
    ///
    /// let pipe = SignalPipe::new(&[SIGUSR1, SIGUSR2])?;
    /// signal_hook::low_level::raise(SIGUSR2)?;
    /// assert_eq!(pipe.take_signal()?, Some(SIGUSR2));
    /// assert_eq!(pipe.take_signal()?, None);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_signal(&self) -> io::Result<Option<i32>> {
        loop {
            let mut arrived = self.arrived.iter();
            if let Some((signal, _)) = arrived.find(|(_, flag)| flag.swap(false, Ordering::SeqCst))
            {
                self.announce_the_rest()?;
                return Ok(Some(*signal));
            }
            // A signal that arrives from here on makes the pipe readable again.
            if !self.take()? {
                return Ok(None);
            }
        }
    }

    /// Makes the pipe readable if a signal has arrived that was not returned: its byte may have been read
    /// together with that of another signal.
    fn announce_the_rest(&self) -> io::Result<()> {
        let mut arrived = self.arrived.iter();
        if !arrived.any(|(_, flag)| flag.load(Ordering::SeqCst)) {
            return Ok(());
        }
        match (&self.writer).write(&[0]) {
            // A full pipe is readable.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            written => written.map(drop),
        }
    }

    /// Returns whether a signal has arrived since the last call. Never blocks.
    ///
    /// # Errors
    /// The system's error, if reading the pipe fails.
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
