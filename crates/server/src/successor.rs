//! A new process that takes over from this one.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use switchboard_runtime::{self as runtime, Direction, Source};

use crate::{passed, registry};

/// How long the new process may take until it accepts.
const LIMIT: Duration = Duration::from_secs(60);

/// The program of this process, as it was started: the file may be another one when it is started again.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    file: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Returns the program of this process.
    pub(crate) fn this() -> io::Result<Program> {
        Ok(Program {
            file: std::env::current_exe()?,
            arguments: std::env::args_os().collect(),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        let mut arguments = self.arguments.iter();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments);
        command
    }
}

/// A process that was started and is not ready yet. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Successor {
    /// `None` once it is ready.
    child: Option<Child>,
    socket: Source,
    since: Instant,
}

impl Successor {
    /// Starts the program again, and sends it the sockets of this process.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn start(program: &Program) -> io::Result<Successor> {
        let kind = SocketType::SEQPACKET;
        let (here, there) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        let mut command = program.command();
        command
            .env(passed::SUCCEEDS, std::process::id().to_string())
            .stdin(there);
        let child = command.spawn()?;
        // It holds the other end of the socket, whose end tells that the process has ended.
        drop(command);
        let successor = Successor {
            child: Some(child),
            socket: Source::new(here.try_clone()?),
            since: Instant::now(),
        };
        match registry::send_all(&here) {
            // It has ended already, which the wait for it finds.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent?,
        }
        Ok(successor)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Waits until the process accepts, and returns `false` if it has ended instead. May be dropped and called
    /// again.
    ///
    /// # Errors
    /// `TimedOut`, and the system's.
    pub(crate) async fn ready(&self) -> io::Result<bool> {
        let ready = async {
            loop {
                self.socket.ready(Direction::Read).await?;
                match passed::is_ready(&self.socket) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    ready => return ready,
                }
            }
        };
        let left = LIMIT.saturating_sub(self.since.elapsed());
        let late = |_| {
            let text = format!("it does not accept after {} s", LIMIT.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        };
        runtime::timeout(left, ready).await.unwrap_or_else(late)
    }

    /// Kills the process unless it has ended, and returns how it did.
    pub(crate) fn end(mut self) -> io::Result<ExitStatus> {
        let Some(mut child) = self.child.take() else {
            return Ok(ExitStatus::default());
        };
        child.kill()?;
        child.wait()
    }

    /// Leaves the process alone from now on.
    pub(crate) fn release(mut self) {
        self.child = None;
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
