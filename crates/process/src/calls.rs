//! Functions that run in child processes and return a value through a pipe.

use std::io::{self, PipeReader, Write};
use std::marker::PhantomData;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::children::{Children, Reaped};
use crate::fork::{ExitStatus, fork_with_setup};
use crate::frame::{FrameFormat, FrameReader};

/// The only frame that a call sends: its value as JSON.
const VALUE: FrameFormat = FrameFormat {
    kinds: 1,
    limit: u32::MAX,
};

/// The exit status of a call whose value could not be sent.
const NOT_SENT: i32 = 1;

/// A set of calls: functions that run in a child process each and return a value of type `T`, which
/// comes back as JSON through a pipe. `K` is what the caller tells the calls apart by.
///
/// Dropping the set neither ends nor reaps the children.
///
/// ```standalone_crate
/// use switchboard_process::{Calls, ExitStatus};
///
/// let mut calls = Calls::new();
/// for number in 1..=3u64 {
///     calls.start(number, || (), || number.checked_mul(number).ok_or(1))?;
/// }
/// let mut squares = Vec::new();
/// while !calls.is_empty() {
///     for finished in calls.wait(None)? {
///         assert_eq!(finished.status?, ExitStatus::Exited(0));
///         squares.push((finished.key, finished.value.unwrap()));
///     }
/// }
/// squares.sort();
/// assert_eq!(squares, [(1, 1), (2, 4), (3, 9)]);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Calls<K, T> {
    children: Children<Call<K>>,
    value: PhantomData<fn() -> T>,
}

/// A call whose process has ended and was reaped.
#[derive(Debug)]
pub struct Finished<K, T> {
    /// The key that the call was started with.
    pub key: K,
    /// The process identifier, which the system may have given to another process since.
    pub pid: i32,
    /// The value; `None` if the process ended before it had sent one that can be read as a `T`.
    pub value: Option<T>,
    /// The exit status; an error, such as `ECHILD`, if something else reaped it.
    pub status: io::Result<ExitStatus>,
}

#[derive(Debug)]
struct Call<K> {
    key: K,
    /// Non-blocking.
    pipe: PipeReader,
    reader: FrameReader,
    output: Output,
}

/// The output of a call, as far as it has come through the pipe.
#[derive(Debug)]
enum Output {
    /// Less than a frame.
    Incomplete,
    /// The body of the frame.
    Value(Vec<u8>),
    /// The end of input before a frame was complete.
    Closed,
}

impl<K, T> Default for Calls<K, T> {
    fn default() -> Calls<K, T> {
        Calls::new()
    }
}

impl<K, T> Calls<K, T> {
    /// Returns an empty set.
    pub fn new() -> Calls<K, T> {
        Calls {
            children: Children::new(),
            value: PhantomData,
        }
    }

    /// Returns how many calls have not finished.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Returns whether all calls have finished.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Sends SIGTERM to the process of each call, which asks it to end.
    pub fn terminate(&self) {
        self.children.terminate();
    }

    /// Sends a signal to the process of each call, given by number.
    pub fn signal(&self, signal: i32) {
        self.children.signal(signal);
    }
}

impl<K, T: Serialize + DeserializeOwned> Calls<K, T> {
    /// Forks a process in which `setup` runs first, with all signals blocked, and `function` after
    /// it. The process exits with status 0 once the value is sent, with the status of an `Err`,
    /// with [`PANICKED`](crate::PANICKED), or with 1 if the value could not be sent. It holds no
    /// pipe of another call.
    ///
    /// # Errors
    /// Those of [`fork`](crate::fork), and of opening a pipe.
    pub fn start(
        &mut self,
        key: K,
        setup: impl FnOnce(),
        function: impl FnOnce() -> Result<T, i32>,
    ) -> io::Result<()> {
        let (pipe, mut writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let mut pipe = Some(pipe);
        let setup = || {
            // Without readers besides the parent, a write fails once the parent has ended.
            drop((pipe.take(), std::mem::take(&mut self.children)));
            setup();
        };
        let child = fork_with_setup(setup, || match function() {
            Ok(value) => {
                let frame = VALUE.encode_json(0, &value);
                let sent = frame.and_then(|frame| writer.write_all(&frame));
                sent.map_or(NOT_SENT, |()| 0)
            }
            Err(status) => status,
        })?;
        let Some(pipe) = pipe else {
            unreachable!("the pipe is taken in the child only")
        };
        let call = Call {
            key,
            pipe,
            reader: VALUE.reader(),
            output: Output::Incomplete,
        };
        self.children.push(child, call);
        Ok(())
    }

    /// Blocks until a pipe can be read, a signal arrives or `timeout` has passed, and returns the
    /// calls that have sent their value or closed their pipe; often none. Returns at once if the
    /// set is empty.
    ///
    /// A process that ends is noticed by its pipe. A child of its own that outlives it may keep the
    /// pipe open; [`reap`](Calls::reap) looks at the process itself.
    ///
    /// # Errors
    /// Those of `poll(2)` other than `EINTR`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Finished<K, T>>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let pipes = self.children.values().map(|call| &call.pipe);
        let mut fds: Vec<_> = pipes.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        // A time too long for the kernel is no limit.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            result => result?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let calls = self.children.values_mut().zip(ready);
        calls.for_each(|(call, ready)| {
            if ready {
                call.read();
            }
        });
        let answered = |call: &Call<K>| !matches!(call.output, Output::Incomplete);
        Ok(Finished::list(self.children.wait_for(answered)))
    }

    /// Returns the calls whose processes have ended, with what they had sent. Never blocks.
    ///
    /// A value longer than the buffer of a pipe (64 KiB on Linux) is sent as this or [`wait`](Calls::wait)
    /// reads it, so a caller that does not wait calls this regularly while such values may come.
    pub fn reap(&mut self) -> Vec<Finished<K, T>> {
        self.children.values_mut().for_each(Call::read);
        Finished::list(self.children.reap())
    }

    /// Sends SIGKILL to the process of each call, blocks until all have ended, and returns them
    /// with what they had sent.
    pub fn kill(&mut self) -> Vec<Finished<K, T>> {
        Finished::list(self.children.kill())
    }
}

impl<K> Call<K> {
    /// Reads what is in the pipe, up to the end of the frame. Never blocks.
    fn read(&mut self) {
        while matches!(self.output, Output::Incomplete) {
            self.output = match self.reader.read_from(&self.pipe) {
                Ok(None) => Output::Incomplete,
                Ok(Some(frame)) => Output::Value(frame.body),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Output::Incomplete,
                Err(_) => Output::Closed,
            };
        }
    }
}

impl<K, T: DeserializeOwned> Finished<K, T> {
    fn new(reaped: Reaped<Call<K>>) -> Finished<K, T> {
        let mut call = reaped.value;
        call.read();
        Finished {
            key: call.key,
            pid: reaped.pid,
            value: match call.output {
                Output::Value(body) => serde_json::from_slice(&body).ok(),
                Output::Incomplete | Output::Closed => None,
            },
            status: reaped.status,
        }
    }

    fn list(reaped: Vec<Reaped<Call<K>>>) -> Vec<Finished<K, T>> {
        reaped.into_iter().map(Finished::new).collect()
    }
}
