//! One server in `c10k`: idle clients come in by steps, and at each step the active ones are measured.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crowd::{Counts, Crowd, Group, Pace, Says};
use crate::memory;
use crate::usage::{tree_clock, tree_memory};

/// What the clients of one server are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Steps {
    /// The echo server.
    pub addr: SocketAddr,
    /// Its process id.
    pub server: u32,
    /// The active clients.
    pub active: usize,
    /// Bytes of their messages.
    pub message: usize,
    /// The numbers of idle clients, the least first.
    pub idle: Vec<usize>,
    /// How long the active ones are measured at each step.
    pub duration: Duration,
    /// How long nothing may move before clients that wait are given up.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// One for each step that was made.
    pub steps: Vec<Step>,
    /// Bytes that the server took for the idle clients.
    pub user_bytes: f64,
    /// Bytes that the kernel took meanwhile, for both ends; `None` where it does not say.
    pub kernel_bytes: Option<f64>,
    /// Idle clients that had a byte back at the end.
    pub survived: usize,
}

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Idle clients that tried to come in until now.
    pub asked: usize,
    /// Those that were answered and are connected.
    pub held: usize,
    /// Those whose connection failed.
    pub failed: usize,
    /// The first error.
    pub error: Option<String>,
    /// The counts of the active ones.
    pub active: Counts,
    /// The server's seconds of processor time.
    pub cpu_s: f64,
    /// Seconds.
    pub elapsed_s: f64,
}

const ACTIVE: usize = 0;
const IDLE: usize = 1;

/// Runs the steps and blocks until they are done. After a step whose clients did not all come in, only the last one is
/// made.
///
/// # Errors
/// The poller's; a server that has ended.
pub(crate) fn run(spec: &Steps) -> io::Result<Found> {
    let most = spec.idle.last().copied().unwrap_or(0);
    let mut crowd = Crowd::new(groups(spec, most), true)?;
    // The active ones are there first, and each has been answered.
    crowd.gather(ACTIVE, spec.active, spec.patience)?;
    let mut found = Found::default();
    let ended = || io::Error::other("the server has ended");
    let user = tree_memory(spec.server).ok_or_else(ended)?;
    let kernel = memory::kernel();
    let (mut at, mut failed, mut first_error) = (0, 0, None);
    while at < spec.idle.len() {
        let asked = spec.idle[at];
        let before = crowd.counts(IDLE).failed;
        crowd.gather(IDLE, asked, spec.patience)?;
        let counts = crowd.counts(IDLE);
        failed += counts.failed.saturating_sub(before) as usize;
        first_error = first_error.or(counts.error);
        let held = crowd.held(IDLE);
        if asked == most {
            found.user_bytes = tree_memory(spec.server).ok_or_else(ended)? as f64 - user as f64;
            found.kernel_bytes = memory::kernel()
                .zip(kernel)
                .map(|(after, before)| after as f64 - before as f64);
        }
        let mut step = measure(spec, &mut crowd)?;
        (step.asked, step.held, step.failed) = (asked, held, failed);
        step.error.clone_from(&first_error);
        found.steps.push(step);
        at = match held < asked && asked < most {
            true => spec.idle.len() - 1,
            false => at + 1,
        };
    }
    found.survived = crowd.ask_again(IDLE, spec.patience)? as usize;
    tree_memory(spec.server).ok_or_else(ended)?;
    Ok(found)
}

fn groups(spec: &Steps, most: usize) -> Vec<Group> {
    let group = |name: &str, clients, bytes, pace| Group {
        name: name.to_owned(),
        addr: spec.addr,
        clients,
        says: Says::Echo(bytes),
        pace,
        fresh: false,
        early: false,
        deadline: None,
    };
    vec![
        group("active", spec.active, spec.message, Pace::Closed),
        group("idle", most, 1, Pace::Idle),
    ]
}

fn measure(spec: &Steps, crowd: &mut Crowd) -> io::Result<Step> {
    let cpu = || tree_clock(spec.server).unwrap_or_default();
    // The first turns after a pause are not like the others.
    crowd.measure(spec.duration / 5, Duration::from_millis(200), false, || ())?;
    let before = cpu();
    let times = crowd.measure(spec.duration, Duration::from_millis(200), false, || ())?;
    // Answers that came after the end are counted, so what they took is, too.
    let after = cpu();
    Ok(Step {
        active: crowd.counts(ACTIVE),
        cpu_s: after.saturating_sub(before).as_secs_f64(),
        elapsed_s: times.elapsed.as_secs_f64(),
        ..Step::default()
    })
}
