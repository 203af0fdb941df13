//! A server under slow clients, and what it says of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use switchboard_bench::contenders::{clock, set_apart};

/// A server that runs; it and its processes are killed when it is dropped.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    log: PathBuf,
}

/// The lines of a server's log, sorted into notices and ends of connections.
pub struct Said {
    pub notices: Vec<String>,
    /// How connections ended, each with their number and the seconds that they lasted together.
    pub endings: BTreeMap<String, (u64, f64)>,
}

impl Server {
    /// Starts a server on `core`, whose log goes to a file in `folder`.
    pub fn start(words: &[String], core: usize, folder: &Path) -> io::Result<Server> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let log = folder.join(format!("{}.log", fs::read_dir(folder)?.count()));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(move || {
                set_apart(libc::SIGKILL)?;
                switchboard_lab::pin(None, core)
            });
        }
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{program}: {error}"));
        let mut child = command.spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let addr = line.trim().rsplit(' ').next().unwrap_or_default().parse();
        let Ok(addr) = addr else {
            let why = fs::read_to_string(&log)?;
            return Err(io::Error::other(format!("{program}: {why}")));
        };
        Ok(Server { child, addr, log })
    }

    fn processes(&self) -> Vec<u32> {
        switchboard_lab::tree(self.child.id())
    }

    /// Returns the memory of its processes in bytes. A page that several share is divided among them.
    pub fn memory(&self) -> u64 {
        let resident = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        // A process that has just ended has none.
        self.processes()
            .into_iter()
            .filter_map(resident)
            .sum::<u64>()
            * 1024
    }

    /// Returns the processor time of its processes.
    pub fn cpu(&self) -> Duration {
        self.processes().into_iter().map(clock).sum()
    }

    /// Reads its log.
    pub fn said(&self) -> io::Result<Said> {
        let mut said = Said {
            notices: Vec::new(),
            endings: BTreeMap::new(),
        };
        for line in fs::read_to_string(&self.log)?.lines() {
            match line.split_once(" ended after ") {
                Some((_, rest)) => {
                    let (seconds, ending) = rest.split_once(" s: ").unwrap_or(("", rest));
                    let (count, time) = said.endings.entry(ending.to_owned()).or_default();
                    *count += 1;
                    *time += seconds.parse().unwrap_or(0.0);
                }
                None => said.notices.push(line.to_owned()),
            }
        }
        said.notices.dedup();
        Ok(said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for pid in self.processes() {
            // SAFETY: a plain system call.
            unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
        }
        let _ = self.child.wait();
    }
}

/// Returns the bytes that the system holds for TCP, those of all programs.
pub fn system_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/net/sockstat")?;
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages = line.and_then(|line| line.split_once(" mem ")?.1.trim().parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("/proc/net/sockstat has no line of TCP"))?;
    Ok(pages * 4096)
}
