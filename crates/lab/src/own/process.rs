//! A server of the user's: started, waited for, and ended together with all that it has started.

use std::io::{self, BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long a server may take until it listens, and to end by SIGTERM.
const START: Duration = Duration::from_secs(15);
const END: Duration = Duration::from_secs(2);

/// How long killed processes are waited for: those that nobody reaps never go away.
const KILLED: Duration = Duration::from_millis(300);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// How long the rest of its stderr is waited for after its end, where a process that it has started has it open too.
const REST: Duration = Duration::from_secs(10);

/// Lines of its stderr that are kept.
const LINES: usize = 20;

/// A process group that listens on a port. It is ended when this value is dropped, and also if this process ends in
/// any way, by a guard that waits for that.
pub(super) struct OwnServer {
    child: Child,
    guard: Option<Child>,
    addr: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

/// Returns a port of 127.0.0.1 that is free now.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

impl OwnServer {
    /// Starts the command and blocks until it listens on the port.
    ///
    /// # Errors
    /// One line: the system's if it cannot be started, or the first line of its stderr if it ends or does not listen
    /// in time.
    pub(super) fn start(words: &[String], port: u16) -> io::Result<OwnServer> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "no command was given",
            ));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("`{program}` cannot be started: {error}"),
                )
            })?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let reader = child.stderr.take().map(|stderr| {
            let said = Arc::clone(&said);
            std::thread::Builder::new()
                .name("stderr of the server".into())
                .spawn(move || keep_lines(stderr, &said))
        });
        let mut server = OwnServer {
            guard: guard(child.id()).ok(),
            child,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            said,
            reader: reader.transpose()?,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                // What it said is there once its end of the pipe is closed; its children may have another.
                let end = Instant::now() + REST;
                while self.first_line().is_none()
                    && self.reader.as_ref().is_some_and(|it| !it.is_finished())
                    && Instant::now() < end
                {
                    std::thread::park_timeout(LOOK);
                }
                return Err(io::Error::other(match self.first_line() {
                    Some(line) => line,
                    None => format!("it ended before it listened, and said nothing ({status})"),
                }));
            }
            if TcpStream::connect_timeout(&self.addr, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            if start.elapsed() > START {
                let said = self
                    .first_line()
                    .map_or(String::new(), |line| format!("; it said: {line}"));
                return Err(io::Error::other(format!(
                    "it does not listen on {} after {} s{said}",
                    self.addr,
                    START.as_secs()
                )));
            }
            std::thread::park_timeout(LOOK);
        }
    }

    /// Returns the first line that it wrote to stderr.
    pub(super) fn first_line(&self) -> Option<String> {
        self.said.lock().ok()?.first().cloned()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        // An error means that nobody of the group is left.
        let _ = kill_process_group(group, Signal::TERM);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < END {
            std::thread::park_timeout(LOOK);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
        // What is killed still runs for a moment, and would disturb the next turn.
        let start = Instant::now();
        while test_kill_process_group(group).is_ok() && start.elapsed() < KILLED {
            std::thread::park_timeout(LOOK);
        }
        if let Some(mut guard) = self.guard.take() {
            // It has nobody left to end.
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

/// Starts a process that ends the group once this process is gone, which closes the guard's stdin.
fn guard(group: u32) -> io::Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "read _; kill -s TERM -- \"-$1\"; sleep 1; kill -s KILL -- \"-$1\"",
            "guard",
        ])
        .arg(group.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Reads to the end, so that the server never waits for its log to be read, and keeps the first lines.
fn keep_lines(stderr: ChildStderr, said: &Mutex<Vec<String>>) {
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if let Ok(mut said) = said.lock()
            && said.len() < LINES
            && !line.is_empty()
        {
            said.push(
                line.chars()
                    .filter(|each| !each.is_control())
                    .take(300)
                    .collect(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::tree;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_first_line_of_stderr_says_why_a_server_did_not_start() {
        let script = shell("echo >&2; echo 'no such model' >&2; echo more >&2; exit 3");
        // Nothing listens at this port of 127.0.0.1, and it is none of those that the system gives.
        let error = OwnServer::start(&script, 1).err().unwrap();
        assert_eq!(error.to_string(), "no such model");
        let error = OwnServer::start(&shell("exit 3"), 1).err().unwrap();
        assert!(
            error.to_string().contains("said nothing (exit status: 3)"),
            "{error}"
        );
        let nothing = ["/no/such/program".to_owned()];
        let error = OwnServer::start(&nothing, 1).err().unwrap();
        assert!(
            error
                .to_string()
                .starts_with("`/no/such/program` cannot be started"),
            "{error}"
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn all_of_the_group_ends() {
        // The listener is this process, so the command is only a group of processes that ignores SIGTERM.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = shell("trap '' TERM; sleep 600 & sleep 600");
        let server = OwnServer::start(&script, port).unwrap();
        let mut all = tree(server.pid());
        while all.len() < 3 {
            std::thread::yield_now();
            all = tree(server.pid());
        }
        drop(server);
        assert_ended(&all);
    }

    /// Waits until all have ended. Orphans are reaped by another process, so they may be zombies.
    fn assert_ended(all: &[u32]) {
        let runs = |pid: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        let start = Instant::now();
        while all.iter().any(runs) {
            assert!(start.elapsed() < Duration::from_secs(20), "{all:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_guard_ends_the_group_once_its_starter_is_gone() {
        let script = shell("trap '' TERM; sleep 600 & sleep 600");
        let mut group = Command::new(&script[0])
            .args(&script[1..])
            .process_group(0)
            .spawn()
            .unwrap();
        let mut all = tree(group.id());
        while all.len() < 3 {
            std::thread::yield_now();
            all = tree(group.id());
        }
        let mut guard = guard(group.id()).unwrap();
        // As the end of this process would do.
        drop(guard.stdin.take());
        group.wait().unwrap();
        assert!(guard.wait().unwrap().success());
        assert_ended(&all);
    }
}
