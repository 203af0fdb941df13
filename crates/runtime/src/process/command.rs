//! Programs to start, with their arguments.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::child::Child;

/// A program to start, as [`std::process::Command`] is, whose child flows wait for.
///
/// ```
/// use switchboard_runtime::{Model, process::{Command, Stdio}};
///
/// let shouted = Model::Tasks.run(async {
///     let mut child = Command::new("tr").args(["a-z", "A-Z"])
///         .stdin(Stdio::piped())
///         .stdout(Stdio::piped())
///         .spawn()?;
///     let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
///     stdin.write_all(b"hello").await?;
///     drop(stdin);
///     let shouted = stdout.read_to_end().await?;
///     assert!(child.wait().await?.success());
///     std::io::Result::Ok(shouted)
/// })??;
/// assert_eq!(shouted, b"HELLO");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Command {
    inner: std::process::Command,
    /// Which of stdin, stdout and stderr were set.
    set: [bool; 3],
    kill_on_drop: bool,
}

impl Command {
    /// Returns a command for `program`, which is looked up in `PATH` if it has no slash.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command::from(std::process::Command::new(program))
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.inner.args(args);
        self
    }

    /// Sets an environment variable of the child.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.inner.env(key, value);
        self
    }

    /// Sets the directory in which the child starts.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Sets what the child reads: [`Stdio::piped`] makes [`Child::stdin`].
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.inner.stdin(stdin);
        self.set[0] = true;
        self
    }

    /// Sets where the child writes: [`Stdio::piped`] makes [`Child::stdout`].
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.inner.stdout(stdout);
        self.set[1] = true;
        self
    }

    /// Sets where the child writes its errors: [`Stdio::piped`] makes [`Child::stderr`].
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.inner.stderr(stderr);
        self.set[2] = true;
        self
    }

    /// Sets whether a child is killed when its [`Child`] is dropped; not at first.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// Returns the command of the standard library, for what this type does not offer.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// Starts the program. What was not set is inherited. Blocks the thread until the program is loaded.
    ///
    /// # Errors
    /// `NotFound` if there is no such program; the system's, such as `WouldBlock` at the limit of processes.
    pub fn spawn(&mut self) -> io::Result<Child> {
        Child::new(self.inner.spawn()?, self.kill_on_drop)
    }

    /// Starts the program as [`spawn`](Command::spawn) does, and waits until it ends. Dropping the future
    /// leaves it running, unless it is [killed on drop](Command::kill_on_drop).
    ///
    /// # Errors
    /// Those of [`spawn`](Command::spawn) and [`Child::wait`].
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts the program, and waits until it ends and has closed its pipes; returns what it wrote. What
    /// was not set is empty for stdin, and piped for stdout and stderr. Dropping the future does as that of
    /// [`status`](Command::status).
    ///
    /// # Errors
    /// Those of [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    pub async fn output(&mut self) -> io::Result<Output> {
        if !self.set[0] {
            self.stdin(Stdio::null());
        }
        if !self.set[1] {
            self.stdout(Stdio::piped());
        }
        if !self.set[2] {
            self.stderr(Stdio::piped());
        }
        self.spawn()?.wait_with_output().await
    }
}

impl From<std::process::Command> for Command {
    /// Takes over a command. Its stdin, stdout and stderr count as not set.
    fn from(inner: std::process::Command) -> Command {
        Command {
            inner,
            set: [false; 3],
            kill_on_drop: false,
        }
    }
}
