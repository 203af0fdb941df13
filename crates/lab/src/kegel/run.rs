//! One way to serve in `kegel`: its servers, and a process of clients for each.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use super::files::Files;
use super::plan::Plan;
use super::{BYTES, KegelSizes};
use crate::children::Server;
use crate::compare::rows::Row;
use crate::crowd::{Found, Group, Pace, Says, Spec};
use crate::experiment::Lab;
use crate::ways::serve;
use crate::{Work, cores};

/// An answer that comes later than this after its request was due has missed its deadline.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// How long all clients together get to connect.
const CONNECTING: Duration = Duration::from_secs(60);

/// What all processes of a run found together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) connected: usize,
    pub(super) memory_bytes: u64,
    /// The worst of the processes of clients.
    pub(super) load_late_s: f64,
    /// The share of a core that all processes of clients on it took, at most.
    pub(super) load_busy: f64,
    pub(super) cold: Part,
    pub(super) warm: Part,
    pub(super) error: Option<String>,
}

/// What a phase found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) due: u64,
    pub(super) answered: u64,
    pub(super) late: u64,
    pub(super) failed: u64,
    /// The worst of the processes, as are the others.
    pub(super) p50_s: f64,
    pub(super) p99_s: f64,
    /// Answers a second of all processes.
    pub(super) rate: f64,
    pub(super) cpu_s: f64,
    /// How many cores the servers kept busy, answers after the end included.
    pub(super) busy: f64,
    pub(super) disk_bytes: u64,
}

pub(super) fn one(
    lab: &Lab,
    sizes: &KegelSizes,
    row: Row,
    plan: &Plan,
    files: &Files,
) -> io::Result<Totals> {
    let cores = cores();
    // Half of the cores are the servers', the other half the clients'.
    let half = (cores.len() / 2).max(1);
    let mut servers = Vec::new();
    for number in 0..plan.servers {
        let folder = files.folder(number);
        let server = serve(lab, row, &["files", &folder.to_string_lossy()])?;
        if cores.len() > 1 {
            server.pin(cores[number % half])?;
        }
        servers.push(server);
    }
    let gate = TcpListener::bind("127.0.0.1:0")?;
    gate.set_nonblocking(true)?;
    let at = gate.local_addr()?;
    std::thread::scope(|scope| {
        let crowds: Vec<_> = servers
            .iter()
            .enumerate()
            .map(|(number, server)| {
                let work = Work::Crowd(spec(sizes, plan, server, at));
                let core = (cores.len() > 1).then(|| cores[half + number % (cores.len() - half)]);
                scope.spawn(move || lab.work(&work, core))
            })
            .collect();
        let opened = open(gate, plan.servers, files, || {
            crowds
                .iter()
                .any(std::thread::ScopedJoinHandle::is_finished)
        });
        let mut totals = Totals::default();
        // Several processes of clients may share a core.
        let mut busy = vec![0.0; (cores.len() - half).max(1)];
        for (number, crowd) in crowds.into_iter().enumerate() {
            let panicked = |_| io::Error::other("a process of clients could not be run");
            let done = crowd.join().map_err(panicked).flatten()?;
            let found: Found = serde_json::from_value(done.found)?;
            let shares = found
                .phases
                .iter()
                .map(|one| one.load_cpu_s / one.elapsed_s);
            let count = busy.len();
            busy[number % count] += shares.fold(0.0, f64::max);
            totals.add(&found);
        }
        totals.load_busy = busy.into_iter().fold(0.0, f64::max);
        opened?;
        Ok(totals)
    })
}

/// Waits until all processes of clients are ready, makes the kernel forget the files, and lets them begin.
fn open(
    gate: TcpListener,
    count: usize,
    files: &Files,
    ended: impl Fn() -> bool,
) -> io::Result<()> {
    let start = Instant::now();
    let mut ready = Vec::new();
    while ready.len() < count {
        match gate.accept() {
            Ok((stream, _)) => ready.push(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ended() || start.elapsed() > CONNECTING {
                    // The crowds that wait get the end of input, those that come later find no listener; all end with
                    // an error.
                    return Err(io::Error::other(
                        "the clients could not all connect in a minute",
                    ));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
        }
    }
    files.forget()?;
    for mut stream in ready {
        stream.write_all(b"g")?;
    }
    Ok(())
}

fn spec(sizes: &KegelSizes, plan: &Plan, server: &Server, gate: SocketAddr) -> Spec {
    let group = Group {
        name: "clients".to_owned(),
        addr: server.addr(),
        clients: plan.each,
        says: Says::Page("/".to_owned(), plan.each * sizes.cold_s),
        pace: Pace::Every(Duration::from_secs(1)),
        fresh: false,
        early: false,
        deadline: Some(DEADLINE),
    };
    let seconds = |count: usize| Duration::from_secs(count as u64);
    Spec {
        groups: vec![group],
        server: server.pid(),
        connect_first: true,
        alone: Duration::ZERO,
        phases: vec![seconds(sizes.cold_s), seconds(sizes.warm_s)],
        drain: DEADLINE + DEADLINE / 5,
        gate: Some(gate),
        spins: false,
    }
}

impl Totals {
    fn add(&mut self, found: &Found) {
        self.connected += found.connected;
        self.memory_bytes += found.memory_bytes;
        self.load_late_s = self.load_late_s.max(found.load_late_s);
        let parts = [&mut self.cold, &mut self.warm];
        for (part, phase) in parts.into_iter().zip(&found.phases) {
            let Some(counts) = phase.groups.first() else {
                continue;
            };
            part.due += counts.due;
            part.answered += counts.answered;
            part.late += counts.late;
            part.failed += counts.failed;
            part.p50_s = part.p50_s.max(counts.p50_s);
            part.p99_s = part.p99_s.max(counts.p99_s);
            part.rate += counts.rate();
            part.cpu_s += phase.cpu_s;
            part.busy += phase.cpu_s / phase.whole_s;
            part.disk_bytes += phase.disk_bytes;
            if self.error.is_none() {
                self.error.clone_from(&counts.error);
            }
        }
    }

    /// Returns the figures: those of the warm phase, those of the cold one, then memory.
    pub(super) fn figures(&self) -> Vec<f64> {
        let mut figures = Vec::new();
        for part in [&self.warm, &self.cold] {
            // Without answers there is nothing to divide the costs by.
            let answered = match part.answered {
                0 => f64::NAN,
                answered => answered as f64,
            };
            figures.extend([
                part.late as f64 / part.due.max(1) as f64,
                part.rate,
                part.p50_s,
                part.p99_s,
                part.cpu_s / answered,
                part.busy,
                part.disk_bytes as f64 / (answered * BYTES as f64),
            ]);
        }
        figures.push(self.memory_bytes as f64 / self.connected.max(1) as f64);
        figures
    }
}
