//! The process of the slow clients, as its parent sees it.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Slow clients that are connected; they go when this is dropped.
pub struct Crowd {
    child: Child,
    commands: ChildStdin,
    out: BufReader<ChildStdout>,
    /// How many were held once all had connected.
    pub held: usize,
}

impl Crowd {
    /// Has `count` slow clients connect, of the kinds that `kinds` numbers, on `core`.
    pub fn start(addr: SocketAddr, count: usize, kinds: &str, core: usize) -> io::Result<Crowd> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--target", &addr.to_string(), "--kinds", kinds]);
        command.args(["--slow", &count.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                set_behind();
                switchboard_lab::pin(None, core)
            });
        }
        let mut child = command.spawn()?;
        let (Some(commands), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut crowd = Crowd {
            child,
            commands,
            out: BufReader::new(out),
            held: 0,
        };
        crowd.held = crowd.number()?;
        Ok(crowd)
    }

    fn number(&mut self) -> io::Result<usize> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        line.trim().parse().map_err(io::Error::other)
    }

    /// Asks how many are held now.
    pub fn count(&mut self) -> io::Result<usize> {
        self.commands.write_all(b"?")?;
        self.number()
    }

    /// Waits until all have been ended, or should have been; returns how.
    pub fn endings(&mut self) -> io::Result<String> {
        self.commands.write_all(b"w")?;
        let mut text = String::new();
        self.out.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives this process the lowest priority.
fn set_behind() {
    // SAFETY: plain system calls.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
        // In the parent's session, it would count as one with it.
        libc::setsid();
    }
    let _ = std::fs::write("/proc/self/autogroup", "19");
}
