//! Child processes that run.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Output};
use std::time::Duration;

use switchboard_reactor::Direction;

use super::orphans;
use crate::io::source::Source;
use crate::model::Wait;
use crate::pipe::{PipeReader, PipeWriter};
use crate::signal::{Signal, Signals};
use crate::time::sleep;

/// The time after which a child is looked at again where only SIGCHLD tells of its end: another part of the
/// program may have set the signal to its default.
const RECHECK: Duration = Duration::from_millis(100);

/// A child process of [`Command`](super::Command).
///
/// Dropped, it leaves the process running, unless the command says to [kill it on
/// drop](super::Command::kill_on_drop). A process that ends later is reaped when the next one is started,
/// waited for or dropped.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{self as runtime, Model, process::{Child, Command}};
///
/// let killed = Model::Tasks.run(async {
///     let mut child: Child = Command::new("sleep").arg("3600").spawn()?;
///     let late = runtime::timeout(Duration::from_millis(1), child.wait()).await;
///     assert!(late.is_err());
///     child.kill()?;
///     child.wait().await
/// })??;
/// assert!(!killed.success());
/// # std::io::Result::Ok(())
/// ```
pub struct Child {
    /// The pipe to the child's stdin, if the command said [`Stdio::piped`](super::Stdio::piped).
    pub stdin: Option<PipeWriter>,
    /// The pipe from the child's stdout, likewise.
    pub stdout: Option<PipeReader>,
    /// The pipe from the child's stderr, likewise.
    pub stderr: Option<PipeReader>,
    /// `None` once it is dropped.
    inner: Option<std::process::Child>,
    end: End,
    kill_on_drop: bool,
}

/// The source of the news that the process has ended.
enum End {
    /// A descriptor that is readable then.
    Pidfd(Source),
    /// SIGCHLD, which tells that some process has.
    Signal(Signals),
}

impl Child {
    /// Takes over a process and its pipes; kills it if that fails.
    pub(super) fn new(mut inner: std::process::Child, kill_on_drop: bool) -> io::Result<Child> {
        orphans::reap();
        let pipes = (inner.stdin.take(), inner.stdout.take(), inner.stderr.take());
        let end = match End::of(&inner) {
            Ok(end) => end,
            Err(error) => {
                // The process has not ended, or is not reaped, so the signal reaches no other process.
                let _ = inner.kill();
                drop(inner.wait());
                return Err(error);
            }
        };
        let mut child = Child {
            stdin: None,
            stdout: None,
            stderr: None,
            inner: Some(inner),
            end,
            // Set below; a failure until then kills the process.
            kill_on_drop: true,
        };
        let (stdin, stdout, stderr) = pipes;
        child.stdin = stdin.map(|fd| PipeWriter::from_fd(fd.into())).transpose()?;
        child.stdout = stdout
            .map(|fd| PipeReader::from_fd(fd.into()))
            .transpose()?;
        child.stderr = stderr
            .map(|fd| PipeReader::from_fd(fd.into()))
            .transpose()?;
        child.kill_on_drop = kill_on_drop;
        Ok(child)
    }

    fn inner(&mut self) -> &mut std::process::Child {
        match &mut self.inner {
            Some(inner) => inner,
            None => unreachable!("a child has its process until it is dropped"),
        }
    }

    /// Returns the process identifier.
    pub fn id(&self) -> u32 {
        self.inner.as_ref().map_or(0, std::process::Child::id)
    }

    /// Closes [`stdin`](Child::stdin), waits until the process ends, and reaps it. Later calls return the
    /// same status. Dropping the future ends the wait.
    ///
    /// # Errors
    /// The system's, such as `ECHILD` if something else reaped the process; `Unsupported` [outside of any
    /// flow](crate#outside-of-any-flow).
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        Wait::required()?;
        self.stdin = None;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            self.end.wait().await?;
        }
    }

    /// Returns the status if the process has ended, and reaps it. Never blocks.
    ///
    /// # Errors
    /// As [`wait`](Child::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.inner().try_wait()?;
        if status.is_some() {
            orphans::reap();
        }
        Ok(status)
    }

    /// Waits until the process ends and what it wrote to its pipes was read, and returns both. A pipe that
    /// another process has inherited is read until that one closes it too.
    ///
    /// # Errors
    /// Those of [`wait`](Child::wait) and [`PipeReader::read`].
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        self.stdin = None;
        let read = async |pipe: Option<PipeReader>| match pipe {
            Some(pipe) => pipe.read_to_end().await,
            None => Ok(Vec::new()),
        };
        let pipes = (self.stdout.take(), self.stderr.take());
        // Both at once: the child may wait for room in the one that is not read.
        let both = crate::join(read(pipes.0), read(pipes.1)).await;
        let (stdout, stderr) = (both.0?, both.1?);
        let status = self.wait().await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Kills the process by SIGKILL; [`wait`](Child::wait) returns once it has ended. Has no effect on a
    /// process that was reaped. Never blocks.
    ///
    /// # Errors
    /// The system's, such as `PermissionDenied`.
    pub fn kill(&mut self) -> io::Result<()> {
        self.inner().kill()
    }

    /// Sends a signal to the process, such as [`Signal::TERMINATE`]. Has no effect on a process that has
    /// ended.
    ///
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use switchboard_runtime::{Model, process::Command, signal::Signal};
    ///
    /// let mut child = Command::new("sleep").arg("3600").spawn()?;
    /// child.signal(Signal::TERMINATE)?;
    /// let status = Model::Threads.run(child.wait())??;
    /// assert_eq!(status.signal(), Some(Signal::TERMINATE.number()));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for a signal without a name; the system's, such as `PermissionDenied`.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        let text = || io::Error::new(io::ErrorKind::InvalidInput, format!("no signal: {signal}"));
        let raw = rustix::process::Signal::from_named_raw(signal.number()).ok_or_else(text)?;
        // A process that is not reaped keeps its identifier.
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.id()).ok();
        match pid.and_then(rustix::process::Pid::from_raw) {
            Some(pid) => Ok(rustix::process::kill_process(pid, raw)?),
            None => Ok(()),
        }
    }
}

impl End {
    #[cfg(target_os = "linux")]
    fn of(child: &std::process::Child) -> io::Result<End> {
        let pid = i32::try_from(child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let opened = pid.and_then(|pid| {
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
        });
        match opened {
            Some(fd) => Ok(End::Pidfd(Source::new(fd))),
            // An old kernel, or no descriptor left.
            None => End::by_signal(),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_child: &std::process::Child) -> io::Result<End> {
        End::by_signal()
    }

    fn by_signal() -> io::Result<End> {
        Signals::new(&[Signal::CHILD]).map(End::Signal)
    }

    /// Waits until the process may have ended.
    async fn wait(&self) -> io::Result<()> {
        match self {
            End::Pidfd(source) => source.ready(Direction::Read).await,
            End::Signal(signals) => {
                let recheck = async {
                    sleep(RECHECK).await;
                    Ok(())
                };
                crate::race(async { signals.recv().await.map(drop) }, recheck).await
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        if self.kill_on_drop {
            // Fails only if the process was reaped.
            let _ = inner.kill();
        }
        orphans::add(inner);
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Child({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;
    use crate::process::Command;

    #[test]
    fn the_end_of_a_child_is_found_by_its_signal() {
        for model in [Model::Threads, Model::Tasks, Model::Green] {
            let mut child = Command::new("sleep").arg("0.01").spawn().unwrap();
            child.end = End::by_signal().unwrap();
            let status = model.run(child.wait()).unwrap().unwrap();
            assert!(status.success(), "{model}");
        }
    }
}
