//! What an experiment starts: servers, and work in processes of its own.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use switchboard_process::kill_with_parent;

use crate::compare::cell::{self, CellSpec};
use crate::compare::mistakes::{self, HabitSpec};
use crate::machine::pin;
use crate::sampler::Sampler;

/// Work that runs in a process of its own, so that models may fork and limits end nothing else. It travels as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    /// One cell of a comparison.
    Cell(CellSpec),
    /// A habit of coroutines, good or bad.
    Habit(HabitSpec),
    /// What makes as many of a kind as it is told to.
    Limit(crate::limits::subject::LimitSpec),
    /// Something that is done again and again, and timed.
    Switch(crate::switch::SwitchSpec),
    /// One case of a saying.
    Folklore(crate::folklore::Task),
    /// The pool of `run_blocking`.
    Offload,
    /// The clients of one server of `c10k`.
    C10k(crate::c10k::steps::Steps),
    /// A crowd of clients.
    Crowd(crate::crowd::Spec),
}

/// Does the work in this process, which must have no other thread, and returns what it found. Blocks until it is
/// done. The process ends with `parent`, its parent, if that is named, however that ends.
///
/// # Errors
/// One line that says why the work could not be done.
pub fn do_work(work: &Work, parent: Option<u32>) -> io::Result<serde_json::Value> {
    if let Some(parent) = parent {
        kill_with_parent(parent);
    }
    Ok(match work {
        Work::Cell(spec) => serde_json::to_value(cell::run(spec)?)?,
        Work::Habit(spec) => serde_json::to_value(mistakes::run(spec)?)?,
        Work::Limit(spec) => crate::limits::subject::run(spec)?,
        Work::Switch(spec) => serde_json::to_value(crate::switch::work::run(spec)?)?,
        Work::Folklore(task) => serde_json::to_value(task.run()?)?,
        Work::Offload => serde_json::to_value(crate::advising::offload()?)?,
        Work::C10k(spec) => serde_json::to_value(crate::c10k::steps::run(spec)?)?,
        Work::Crowd(spec) => serde_json::to_value(crate::crowd::run(spec)?)?,
    })
}

/// What came of work in a child process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// What [`do_work`] returned.
    pub found: serde_json::Value,
    /// The most memory of the child's process tree, in bytes; 0 where the system does not report it.
    pub peak_rss_bytes: u64,
}

/// Runs work as `PROGRAM cell JSON --parent PID`, on `core` if one is given, and blocks until it is done. The memory of the
/// child's process tree is sampled meanwhile.
///
/// # Errors
/// The system's if the program cannot be started; else the one line that the child said.
pub(crate) fn run_in_child(program: &Path, work: &Work, core: Option<usize>) -> io::Result<Done> {
    let mut child = Command::new(program)
        .arg("cell")
        .arg(serde_json::to_string(work)?)
        // This thread waits until it has ended, and so lives for as long.
        .args(["--parent", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    let ready = core.map_or(Ok(()), |core| pin(Some(pid), core));
    let sampler = match ready.and_then(|()| Sampler::start(pid)) {
        Ok(sampler) => sampler,
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    let output = child.wait_with_output();
    let peak_rss_bytes = sampler.stop().unwrap_or(0);
    let output = output?;
    let (stdout, stderr) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    match serde_json::from_slice(&stdout) {
        Ok(found) => Ok(Done {
            found,
            peak_rss_bytes,
        }),
        Err(_) => {
            let line = stderr.lines().next();
            let line = line.unwrap_or("the cell ended without output");
            let line = line.trim_start_matches("switchboard: ");
            Err(io::Error::other(line.to_owned()))
        }
    }
}

/// A `switchboard serve` process. It ends when this value is dropped, or with this process.
///
/// ```no_run
/// use switchboard_lab::Server;
///
/// let server = Server::start("target/release/switchboard".as_ref(), &["serve", "echo", "--model", "tasks"])?;
/// println!("process {} listens on {}", server.pid(), server.addr());
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    /// Starts `PROGRAM ARGUMENTS…` on a free port of 127.0.0.1 and blocks until it listens.
    ///
    /// # Errors
    /// The system's if the program cannot be started; else a line that names the arguments.
    pub fn start<S: AsRef<OsStr> + AsRef<str>>(
        program: &Path,
        arguments: &[S],
    ) -> io::Result<Server> {
        let mut child = Command::new(program)
            .args(arguments.iter().map(|text| AsRef::<OsStr>::as_ref(text)))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--until-eof",
                "--quiet",
                "--drain",
                "0",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A server does not wait for the reader of its log, so what nobody reads is lost, and disturbs no table.
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // A line that cannot be read holds no address, so the child is ended below.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let addr = line.trim().strip_prefix("listening on ");
        match addr.and_then(|addr| addr.parse().ok()) {
            Some(addr) => Ok(Server { child, addr }),
            None => {
                // Without an address the server is of no use, if it still runs.
                let _ = child.kill();
                let _ = child.wait();
                let said: Vec<&str> = arguments
                    .iter()
                    .map(|text| AsRef::<str>::as_ref(text))
                    .collect();
                let mut why = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    stderr.read_to_string(&mut why)?;
                }
                let why = why.lines().next().unwrap_or("it said nothing");
                let why = why.trim_start_matches("switchboard: ");
                let text = format!("`switchboard {}` did not start: {why}", said.join(" "));
                Err(io::Error::other(text))
            }
        }
    }

    /// Returns the address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Pins all its threads to a core, and with them the threads and processes that they start later.
    ///
    /// # Errors
    /// As [`pin`].
    pub fn pin(&self, core: usize) -> io::Result<()> {
        pin(Some(self.pid()), core)?;
        for entry in std::fs::read_dir(format!("/proc/{}/task", self.pid()))?.flatten() {
            if let Ok(thread) = entry.file_name().to_string_lossy().parse() {
                pin(Some(thread), core)?;
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server ends at the end of its stdin, together with its forked processes.
        if let Some(mut stdin) = self.child.stdin.take() {
            let _ = stdin.flush();
        }
        let _ = self.child.wait();
    }
}
