//! A server that runs: where it listens, what it spends, how it ends.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

/// A server that runs; it and its processes end when it is dropped.
pub struct Server {
    pub(super) child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its command line and its configuration.
    pub told: String,
    /// Whether it may have workers, and so has to end them itself first.
    pub(super) has_workers: bool,
}

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    /// Its process, the parent of its others.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that its processes have used up, read when they are asleep: when the clock has stood
    /// still for a moment. Those that never rest are not waited for long.
    pub fn cpu(&self) -> Duration {
        let mut before = self.clock();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_micros(200));
            let now = self.clock();
            if now == before {
                break;
            }
            before = now;
        }
        before
    }

    /// Processor time of its processes at this moment.
    pub fn clock(&self) -> Duration {
        switchboard_lab::tree(self.pid())
            .into_iter()
            .map(clock)
            .sum()
    }

    /// Anonymous bytes that its processes have resident. A page that several share is divided among them.
    ///
    /// # Errors
    /// `Other` where the system does not tell.
    pub fn resident(&self) -> io::Result<u64> {
        switchboard_lab::tree(self.pid())
            .into_iter()
            .map(resident)
            .sum()
    }

    /// Reads where it listens; whether it said so.
    pub(super) fn says_where(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        if let Some(out) = self.child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let port = line
            .trim()
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        if let Some(port) = port {
            self.addr.set_port(port);
        }
        Ok(port.is_some())
    }

    /// Waits until it listens; whether it does.
    pub(super) fn listens(&mut self) -> io::Result<bool> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && self.child.try_wait()?.is_none() {
            if TcpStream::connect(self.addr).is_ok() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }
}

fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("the system does not tell how much is resident"))
}

/// A process's processor time; 0 is this one.
pub fn clock(pid: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both are told where to write.
    unsafe {
        libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock);
        libc::clock_gettime(clock, &raw mut time);
    }
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

impl Drop for Server {
    fn drop(&mut self) {
        let all = switchboard_lab::tree(self.pid());
        if self.has_workers {
            signal(self.pid(), libc::SIGTERM);
            let end = Instant::now() + Duration::from_secs(2);
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        // Parents first, which might start their children again.
        if matches!(self.child.try_wait(), Ok(None)) {
            all.into_iter().for_each(|pid| signal(pid, libc::SIGKILL));
            let _ = self.child.wait();
        }
    }
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(pid.cast_signed(), signal) };
}
