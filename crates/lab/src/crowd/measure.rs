//! One crowd in a process of its own: what it is told, and what it found.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setup::read_from_disk;
use super::{Counts, Crowd, Group};
use crate::usage::{Usage, tree, tree_clock, tree_memory};

/// What a crowd is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The groups.
    pub groups: Vec<Group>,
    /// The process id of the server.
    pub server: u32,
    /// Whether clients that keep their connection are connected before the first phase.
    pub connect_first: bool,
    /// How long the early groups are alone.
    pub alone: Duration,
    /// The phases that are measured, each apart.
    pub phases: Vec<Duration>,
    /// How long answers are waited for after a phase.
    pub drain: Duration,
    /// Where a crowd that is ready connects to, and waits for a byte.
    pub gate: Option<SocketAddr>,
    /// Whether due times are met more exactly, by a thread that never sleeps.
    pub spins: bool,
}

/// What a crowd found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The clients that were connected before the first phase.
    pub connected: usize,
    /// What each phase found.
    pub phases: Vec<Phase>,
    /// The server's memory at the end, in bytes.
    pub memory_bytes: u64,
    /// The seconds by which 99 % of the due requests were sent late, by the crowd's own fault.
    pub load_late_s: f64,
}

/// What a phase found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Phase {
    /// The groups' counts.
    pub groups: Vec<Counts>,
    /// Seconds in which requests were due.
    pub elapsed_s: f64,
    /// Those, and the seconds in which answers were waited for.
    pub whole_s: f64,
    /// The server's seconds of processor time in the whole.
    pub cpu_s: f64,
    /// The crowd's seconds of processor time while requests were due.
    pub load_cpu_s: f64,
    /// Bytes that the server had read from a disk in the whole.
    pub disk_bytes: u64,
}

/// How long nothing may move while clients connect.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs a crowd and blocks until it is done.
///
/// # Errors
/// The poller's; that of the gate.
pub(crate) fn run(spec: &Spec) -> io::Result<Found> {
    let mut crowd = Crowd::new(spec.groups.clone(), spec.spins)?;
    let mut found = Found::default();
    if spec.connect_first {
        found.connected = crowd.connect_all(PATIENCE)?;
    }
    if !spec.alone.is_zero() {
        crowd.measure(spec.alone, Duration::ZERO, true, || ())?;
    }
    if let Some(gate) = spec.gate {
        let mut gate = TcpStream::connect(gate)?;
        gate.write_all(b"r")?;
        gate.read_exact(&mut [0])?;
    }
    crowd.lateness.reset();
    for duration in &spec.phases {
        found.phases.push(phase(spec, &mut crowd, *duration)?);
    }
    found.memory_bytes = tree_memory(spec.server).unwrap_or(0);
    found.load_late_s = crowd.lateness.value_at_quantile(0.99) as f64 / 1e9;
    Ok(found)
}

fn phase(spec: &Spec, crowd: &mut Crowd, duration: Duration) -> io::Result<Phase> {
    let server = || {
        let disk: u64 = tree(spec.server)
            .into_iter()
            .filter_map(read_from_disk)
            .sum();
        (tree_clock(spec.server).unwrap_or_default(), disk)
    };
    let mine = || {
        let usage = Usage::of_self();
        usage.user + usage.system
    };
    let (before, mine_before) = (server(), mine());
    let mut mine_after = mine_before;
    let times = crowd.measure(duration, spec.drain, false, || mine_after = mine())?;
    // Answers that came after the end are counted, so what they took is, too.
    let after = server();
    Ok(Phase {
        groups: (0..spec.groups.len()).map(|at| crowd.counts(at)).collect(),
        elapsed_s: times.elapsed.as_secs_f64(),
        whole_s: times.whole.as_secs_f64(),
        cpu_s: after.0.saturating_sub(before.0).as_secs_f64(),
        load_cpu_s: mine_after.saturating_sub(mine_before).as_secs_f64(),
        disk_bytes: after.1.saturating_sub(before.1),
    })
}
