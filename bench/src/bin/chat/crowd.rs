//! The process of one server's clients, as its parent sees it.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use switchboard_bench::contenders::set_apart;

use crate::worker::{Answer, Command};

/// Clients of a server; they go when this is dropped.
pub struct Crowd {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Crowd {
    pub fn start(addr: SocketAddr, core: usize) -> io::Result<Crowd> {
        let mut command = std::process::Command::new(env::current_exe()?);
        command.args(["--target", &addr.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                set_apart(libc::SIGKILL)?;
                switchboard_lab::pin(None, core)
            });
        }
        let mut child = command.spawn()?;
        let (Some(commands), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Crowd {
            child,
            commands,
            answers: BufReader::new(out),
        })
    }

    /// Has the clients do something, and waits until they have.
    pub fn ask(&mut self, command: Command) -> io::Result<Answer> {
        writeln!(self.commands, "{}", serde_json::to_string(&command)?)?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the process of the clients has ended"));
        }
        let answer: Answer = serde_json::from_str(&line)?;
        match answer.error {
            Some(error) => Err(io::Error::other(error)),
            None => Ok(answer),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
