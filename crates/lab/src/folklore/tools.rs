//! What experiments of sayings share: rounds, echo servers and their load, memory of connections.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::children::{Server, Work};
use crate::compare::rows::Row;
use crate::experiment::Lab;
use crate::load::{Load, Outcome};
use crate::report::Figure;
use crate::rounds::{Rounds, Trial};
use crate::usage::{bytes, tree, tree_clock, tree_memory};
use crate::ways::{on_load_core, serve};

use super::Task;
use super::effect::{Claim, Effect};

/// Bytes of a message where a saying is not about its size.
pub(super) const MESSAGE: usize = 64;

/// How long a server is under load in one turn, before and while it is measured.
const WARM_UP: Duration = Duration::from_millis(20);
const MEASURED: Duration = Duration::from_millis(40);

/// Round trips of each client that a turn needs: those of the warm-up that end in it have been paid for before.
const ENOUGH: u64 = 4;

/// How often a turn is tried until every client has had an answer.
const ATTEMPTS: usize = 6;

/// Turns of an echo server in what counts as one round: many short ones have a narrower interval than few long ones.
const TURNS: usize = 2;

/// How long the turns of an echo server take in one round.
pub(super) const TURN: Duration = Duration::from_millis(60 * TURNS as u64);

/// Returns the rounds of all sayings. Cells always run equally often, since rounds are compared one by one.
pub(super) fn rounds(lab: &Lab) -> Rounds {
    // From nine on, the interval leaves out the least and the greatest, such as a run that somebody disturbed.
    let often = lab.by_effort(5, 9, 21);
    Rounds {
        least: often,
        most: often,
        budget: Duration::ZERO,
        // Figures are never certain enough to be left out of a round.
        narrow: -1.0,
    }
}

/// Runs the cells by turns and returns the figures of each.
pub(super) fn by_turns<C>(
    lab: &Lab,
    cells: &[C],
    run: impl FnMut(&C) -> io::Result<Vec<f64>>,
) -> io::Result<Vec<Vec<Figure>>> {
    figures(rounds(lab).run(cells, |_| (), run))
}

/// Puts short loads on echo servers by turns and returns the figures of [`echo_turn`] of each cell, which is a server,
/// its clients and the bytes of a message.
pub(super) fn echo_by_turns(
    lab: &Lab,
    cells: &[(&Server, usize, usize)],
) -> io::Result<Vec<Vec<Figure>>> {
    let rounds = rounds(lab);
    let rounds = Rounds {
        least: rounds.least * TURNS,
        most: rounds.most * TURNS,
        ..rounds
    };
    let turn =
        |&(server, clients, message): &(&Server, usize, usize)| echo_turn(server, clients, message);
    figures(rounds.run(cells, |_| (), turn))
}

fn figures(trials: Vec<Trial>) -> io::Result<Vec<Vec<Figure>>> {
    let figures = trials.into_iter().map(|trial| match trial.error {
        Some(error) => Err(io::Error::other(error)),
        None => trial
            .figures
            .into_iter()
            .map(|figure| figure.ok_or_else(|| io::Error::other("a measured value is no number")))
            .collect(),
    });
    figures.collect()
}

/// Returns the effect of two figures, or why there is none.
pub(super) fn effect(
    name: impl Into<String>,
    above: &Figure,
    below: &Figure,
    claim: Claim,
    least: f64,
) -> io::Result<Effect> {
    let nothing = || io::Error::other("nothing was used: the system's figures are too coarse");
    Effect::of(name, above, below, claim, least).ok_or_else(nothing)
}

/// Does the work of a case in a process of its own.
pub(super) fn in_child(lab: &Lab, saying: &str, case: &str) -> io::Result<Vec<f64>> {
    let task = Task {
        saying: saying.to_owned(),
        case: case.to_owned(),
    };
    let done = lab.work(&Work::Folklore(task), None)?;
    Ok(serde_json::from_value(done.found)?)
}

/// Starts `serve echo` with a model and perhaps a driver, as `tasks/epoll`, on the first core if there are two.
///
/// # Errors
/// Those of starting the server.
pub(crate) fn start_echo(lab: &Lab, row: &str) -> io::Result<Server> {
    let row: Row = row.parse().map_err(io::Error::other)?;
    serve(lab, row, &["echo"])
}

/// Puts a load on a server for one turn, on the second core, and blocks until it is done. Returns the seconds of
/// processor time that a round trip took the server, and the median of its latency in seconds. A turn in which not
/// every client had an answer, or in which there were few round trips, is repeated, twice as long each time.
///
/// # Errors
/// That of a connection that failed, and of clients without an answer; `Unsupported` where the system reports no
/// processor time of others.
pub(crate) fn echo_turn(
    server: &Server,
    connections: usize,
    message: usize,
) -> io::Result<Vec<f64>> {
    let mut load = Load {
        addr: server.addr(),
        connections,
        message,
        warm_up: WARM_UP,
        duration: MEASURED,
        push: false,
    };
    for _ in 0..ATTEMPTS {
        let (outcome, used) = load_from_second_core(load, server.pid())?;
        if outcome.served == connections && outcome.round_trips >= ENOUGH * connections as u64 {
            return Ok(vec![
                used / outcome.round_trips as f64,
                outcome.latencies.value_at_quantile(0.5) as f64 / 1e9,
            ]);
        }
        load.warm_up *= 2;
        load.duration *= 2;
    }
    Err(io::Error::other(format!(
        "of {connections} clients, some had hardly an answer in {} ms",
        (load.warm_up + load.duration).as_millis() / 2
    )))
}

/// Runs a load and returns what came of it, with the processor time of process `root` meanwhile.
fn load_from_second_core(load: Load, root: u32) -> io::Result<(Outcome, f64)> {
    let (mut before, mut after) = (None, None);
    let outcome =
        on_load_core(|| load.run(|| before = tree_clock(root), || after = tree_clock(root)))?;
    if let Some(error) = outcome.errors.first() {
        return Err(io::Error::other(error.clone()));
    }
    let unknown = || io::Error::from(io::ErrorKind::Unsupported);
    let (before, after) = before.zip(after).ok_or_else(unknown)?;
    Ok((outcome, after.saturating_sub(before).as_secs_f64()))
}

/// Opens connections to an echo server, each of which has had one message back.
pub(super) fn connect(addr: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let connect = |_| {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(&[7; MESSAGE])?;
        stream.read_exact(&mut [0; MESSAGE])?;
        Ok(stream)
    };
    (0..connections).map(connect).collect()
}

/// Returns how many connections this process can have beside what it needs itself, at most `wanted`.
pub(super) fn connections_at_most(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    wanted.min(limit.saturating_sub(128) / 2).max(1)
}

/// Returns the bytes of memory, of user space and of kernel stacks and page tables, that each idle connection of
/// an echo server takes after one message. Blocks until it is measured.
///
/// # Errors
/// Those of starting the server and of connecting; `Unsupported` where the system reports no memory.
pub(crate) fn bytes_per_connection(lab: &Lab, row: &str, wanted: usize) -> io::Result<f64> {
    let connections = connections_at_most(wanted);
    let server = start_echo(lab, row)?;
    // What the server makes once is there after the first connections.
    let first = connect(server.addr(), 4)?;
    let unknown = || io::Error::from(io::ErrorKind::Unsupported);
    let before = memory(server.pid()).ok_or_else(unknown)?;
    let open = connect(server.addr(), connections)?;
    let after = memory(server.pid()).ok_or_else(unknown)?;
    drop((first, open));
    Ok((after - before) / connections as f64)
}

/// Returns the bytes that a process tree has in user space and in page tables, with a kernel stack for each thread.
pub(super) fn memory(root: u32) -> Option<f64> {
    let user = tree_memory(root)? as f64;
    let mut kernel = 0.0;
    for pid in tree(root) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        kernel += bytes(&status, "VmPTE:").unwrap_or(0) as f64;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count);
        kernel += threads as f64 * KERNEL_STACK;
    }
    Some(user + kernel)
}

/// Bytes of a thread's stack in the kernel, on the processors of 64 bits that are supported.
pub(super) const KERNEL_STACK: f64 = 16384.0;
