//! Tables, in markdown.

use std::process::Command;

use switchboard_bench::contenders::PRIORITY;
use switchboard_lab::median;

use crate::Cell;
use crate::connect::Connected;
use crate::frozen::Frozen;
use crate::options::Options;
use crate::side::Figures;
use crate::talk::Rated;

/// The machine, the kernel and the commit; what was refused.
pub fn header() -> String {
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let commit = commit.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    let machine = switchboard_lab::machine();
    // SAFETY: a plain system call.
    let priority = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let refused = match priority {
        PRIORITY => "",
        _ => "; high priority was refused",
    };
    format!(
        "{}, {} cores, {}; commit {commit}{refused}",
        machine.cpu, machine.cores, machine.kernel
    )
}

fn begin(name: &str, what: &str, columns: &[&str]) {
    println!("\n### {name}: {what}\n\n| {} |", columns.join(" | "));
    println!("{}|", "|---".repeat(columns.len()));
}

/// Prints a row: the medians of what was measured, or why nothing was.
fn row<T>(cell: &Cell<T>, columns: impl FnOnce() -> String) {
    let columns = match cell.runs.len() {
        0 => String::new(),
        _ => columns(),
    };
    let error = match cell.errors.first() {
        Some(error) => format!(" {} failed: {error}", cell.errors.len()),
        None => String::new(),
    };
    println!("| {} | {columns} |{error}", cell.contender);
}

impl<T> Cell<T> {
    fn median(&self, field: impl Fn(&T) -> f64) -> f64 {
        median(self.runs.iter().map(field).collect())
    }

    /// Returns the median, with the least and the most.
    fn spread(&self, field: impl Fn(&T) -> f64, digits: usize) -> String {
        spread(self.runs.iter().map(field).collect(), digits)
    }
}

fn spread(all: Vec<f64>, digits: usize) -> String {
    let least = all.iter().copied().reduce(f64::min).unwrap_or(f64::NAN);
    let most = all.iter().copied().reduce(f64::max).unwrap_or(f64::NAN);
    let median = median(all);
    format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
}

/// Ratios to the reference, of something that is done `each`.
pub fn figures(name: &str, what: &str, each: &str, reference: &str, cells: &[Cell<Figures>]) {
    let ratio = format!("CPU {each} ÷ {reference}'s (min–max)");
    let columns = [
        "server",
        &ratio,
        "CPU us",
        "of it user",
        "per s",
        "server busy",
        "load us",
    ];
    begin(name, what, &columns);
    for cell in cells {
        row(cell, || {
            format!(
                "{} | {:.2} | {:.0} % | {:.0} | {:.0} % | {:.2}",
                cell.spread(|one| one.ratio, 3),
                cell.median(|one| one.cpu_us),
                cell.median(|one| one.user) * 100.0,
                cell.median(|one| one.per_s),
                cell.median(|one| one.busy) * 100.0,
                cell.median(|one| one.load_us),
            )
        });
    }
}

pub fn rated(options: &Options, cells: &[Cell<Rated>]) {
    let what = format!(
        "{} messages a second to rooms of {}, ms from the moment when one was due (min–max)",
        options.rate,
        options.clients / 100
    );
    let columns = [
        "server",
        "p50",
        "p99",
        "longest",
        "said late, p99",
        "CPU us a delivery",
    ];
    begin("rate", &what, &columns);
    for cell in cells {
        row(cell, || {
            format!(
                "{:.2} | {} | {:.1} | {:.2} | {:.2}",
                cell.median(|one| one.p50),
                cell.spread(|one| one.p99, 2),
                cell.median(|one| one.most),
                cell.median(|one| one.late_p99),
                cell.median(|one| one.cpu_us),
            )
        });
    }
}

pub fn connected(options: &Options, cells: &[Cell<Connected>]) {
    let what = format!("{} clients as fast as they come", options.clients);
    let columns = [
        "server",
        "all open after s",
        "CPU us each",
        "all named after s",
        "CPU us each",
        "bytes of a WebSocket",
        "with a name",
        "in a room of 100",
    ];
    begin("connect", &what, &columns);
    for cell in cells {
        row(cell, || {
            format!(
                "{} | {:.1} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0}",
                cell.spread(|one| one.seconds, 2),
                cell.median(|one| one.cpu_us),
                cell.median(|one| one.hello_seconds),
                cell.median(|one| one.hello_cpu_us),
                cell.median(|one| one.idle),
                cell.median(|one| one.named),
                cell.median(|one| one.member),
            )
        });
    }
}

pub fn frozen(options: &Options, cells: &[Cell<Vec<Frozen>>]) {
    let what = format!(
        "one client in all rooms that does not read, beside {} that do: p99 of the others in each second, ms (quartiles)",
        options.clients
    );
    let columns = [
        "server",
        "it reads",
        "it does not",
        "ratio in a turn (min–max)",
        "ratio of CPU a delivery",
        "memory more, KiB",
        "it was cut",
    ];
    begin("frozen", &what, &columns);
    for cell in cells {
        row(cell, || {
            let turns = || cell.runs.iter().flatten();
            let p99 = |seconds: fn(&Frozen) -> &Vec<Rated>| {
                let p99 = turns().flat_map(seconds).map(|second| second.p99);
                quartiles(p99.collect())
            };
            let ratio =
                |field: fn(&Rated) -> f64| spread(turns().map(|one| one.ratio(field)).collect(), 3);
            format!(
                "{} | {} | {} | {} | {} | {} of {}",
                p99(|turn| &turn.reads),
                p99(|turn| &turn.frozen),
                ratio(|second| second.p99),
                ratio(|second| second.cpu_us),
                spread(turns().map(|turn| turn.memory / 1024.0).collect(), 0),
                turns().filter(|turn| turn.was_cut).count(),
                turns().count(),
            )
        });
    }
}

/// Returns the median, with the first and the third quartile.
fn quartiles(mut all: Vec<f64>) -> String {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share).round() as usize];
    format!("{:.2} ({:.2}–{:.2})", at(0.5), at(0.25), at(0.75))
}
