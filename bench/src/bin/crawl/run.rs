//! One crawl of the site by one contender.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::contender::{Contender, switchboard};

/// After this time a crawler is ended.
const LIMIT: Duration = Duration::from_secs(600);

pub(crate) struct Run {
    /// The paths that were answered with 200.
    pub(crate) pages: BTreeSet<String>,
    pub(crate) requests: usize,
    /// Requests, but for those of a path that was asked for before.
    pub(crate) distinct: usize,
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    /// KiB of resident memory at most.
    pub(crate) memory: u64,
}

pub(crate) fn run(contender: &Contender, root: &Path) -> io::Result<Run> {
    let dir = Folder::new()?;
    let log = dir.0.join("access.log");
    let (mut server, addr) = serve(root, &log)?;
    let words = contender.command(&format!("http://{addr}/index.html"), &dir.0);
    let began = Instant::now();
    let crawled = measure(&words, &dir.0.join("crawler.log"));
    let wall = began.elapsed();
    // The log is whole once the server has ended.
    server.kill_softly()?;
    let (cpu, memory) = crawled?;
    let (mut pages, mut asked, mut requests) = (BTreeSet::new(), BTreeSet::new(), 0);
    for line in BufReader::new(File::open(&log)?).lines() {
        let line = line?;
        // 127.0.0.1 - - [TIME] "GET /PATH HTTP/1.1" 200 BYTES …
        let mut quoted = line.splitn(3, '"').skip(1);
        let (Some(request), Some(rest)) = (quoted.next(), quoted.next()) else {
            continue;
        };
        let Some(path) = request.split(' ').nth(1) else {
            continue;
        };
        requests += 1;
        asked.insert(path.to_owned());
        if rest.starts_with(" 200 ") {
            pages.insert(path.to_owned());
        }
    }
    Ok(Run {
        pages,
        requests,
        distinct: asked.len(),
        wall,
        cpu,
        memory,
    })
}

struct Server(Child);

impl Server {
    fn kill_softly(&mut self) -> io::Result<()> {
        drop(self.0.stdin.take());
        self.0.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the folder on the first core.
fn serve(root: &Path, log: &Path) -> io::Result<(Server, String)> {
    let mut child = Command::new("taskset")
        .args(["-c", "0"])
        .arg(switchboard())
        .args(["serve", "files"])
        .arg(root)
        .args(["--listen", "127.0.0.1:0", "--until-eof", "--quiet"])
        .args(["--access-log", "combined"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .spawn()?;
    let out = child.stdout.take().ok_or(io::ErrorKind::Other)?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let addr = line.trim().strip_prefix("listening on ");
    let addr = addr.ok_or_else(|| io::Error::other("the server did not start"))?;
    Ok((server, addr.to_owned()))
}

/// Runs a crawler on the second core. Returns its processor time, and its memory.
fn measure(words: &[String], log: &Path) -> io::Result<(Duration, u64)> {
    let out = File::create(log)?;
    let mut child = Command::new("taskset")
        .args(["-c", "1"])
        .args(words)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()?;
    let (id, began) = (child.id(), Instant::now());
    let mut memory = 0;
    loop {
        memory = memory.max(resident(id));
        // The process is kept as a zombie, whose times can be read.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let pid = Pid::from_raw(id.cast_signed()).ok_or(io::ErrorKind::Other)?;
        if waitid(WaitId::Pid(pid), options)?.is_some() {
            break;
        }
        if began.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other("not done within 10 minutes"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let cpu = times(id)?;
    let status = child.wait()?;
    // wget2 ends with 8 if any page was answered with an error, and switchboard with 1.
    match status.code() {
        Some(0 | 1 | 8) => Ok((cpu, memory)),
        _ => {
            let said = fs::read_to_string(log)?;
            let last = said.lines().last().unwrap_or_default();
            Err(io::Error::other(format!("{status}: {last}")))
        }
    }
}

/// Returns the KiB that a process has had resident at most.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns the processor time of a process and its children that have ended.
fn times(id: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// An empty folder in memory, so that no disk is measured; removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Folder> {
        let path = PathBuf::from(format!("/dev/shm/switchboard-crawl-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
