//! Tables, in markdown.

use std::fmt::Write;
use std::process::Command;

use switchboard_bench::contenders::PRIORITY;
use switchboard_lab::median;

use crate::Cell;
use crate::loads::Load;
use crate::micro::Runs;
use crate::turns::Figures;

/// How far from 1 the reference's ratio to itself may be.
const SHOULD_HOLD: f64 = 0.01;

/// The machine, the kernel and the commit; what was refused.
pub(crate) fn header() -> String {
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

fn begin(header: &str, load: &Load, columns: &[&str]) -> String {
    format!(
        "\n### {}: {}\n\n{header}\n\n| {} |\n{}|\n",
        load.name,
        load.what,
        columns.join(" | "),
        "|---".repeat(columns.len())
    )
}

/// The failures, or the reason why there is no run at all.
fn errors<T>(cell: &Cell<T>) -> String {
    if let Some(why) = &cell.skipped {
        return format!(" skipped: {why}");
    }
    match cell.errors.first() {
        Some(error) => format!(" {} failed: {error}", cell.errors.len()),
        None => String::new(),
    }
}

/// A load's rows: medians over rounds. The first row is the reference against itself, and the last line
/// says whether that came out as 1.
pub(crate) fn of(header: &str, load: &Load, row: &[Cell<Figures>]) -> String {
    let columns = [
        "server",
        "CPU ÷ the reference's (min–max)",
        "CPU us",
        "of it user",
        "per s",
        "server busy",
        "load us",
        "other work",
    ];
    let mut text = begin(header, load, &columns);
    for cell in row {
        let of = |field: fn(&Figures) -> f64| median(cell.runs.iter().map(field).collect());
        if cell.runs.is_empty() {
            let _ = writeln!(text, "| {} |{} |", cell.contender, errors(cell));
            continue;
        }
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.0} % | {:.0} | {:.0} % | {:.2} | {:.0} % |{}",
            cell.contender,
            ratio(cell),
            of(|f| f.cpu_us),
            of(|f| f.user) * 100.0,
            of(|f| f.per_s),
            of(|f| f.busy) * 100.0,
            of(|f| f.load_us),
            of(|f| f.others) * 100.0,
            errors(cell)
        );
    }
    if let Some(itself) = row.first().filter(|cell| !cell.runs.is_empty()) {
        let off = median(itself.runs.iter().map(|run| run.ratio).collect()) - 1.0;
        let verdict = if off.abs() <= SHOULD_HOLD {
            "as it should be, 1.00 ± 0.01"
        } else {
            "but it should be 1.00 ± 0.01, so the ratios above are no finer than this one"
        };
        let _ = writeln!(
            text,
            "\nThe reference against itself: {}, {verdict}.",
            ratio(itself)
        );
    }
    text
}

fn ratio(cell: &Cell<Figures>) -> String {
    let all: Vec<f64> = cell.runs.iter().map(|run| run.ratio).collect();
    let (least, most) = spread(&all);
    format!("{:.3} ({least:.3}–{most:.3})", median(all))
}

/// Bytes of a connection, medians.
pub(crate) fn of_idle(header: &str, load: &Load, row: &[Cell<f64>]) -> String {
    let mut text = begin(header, load, &["server", "bytes a connection"]);
    for cell in row {
        let bytes = match cell.runs.len() {
            0 => String::new(),
            _ => format!(" {:.0}", median(cell.runs.clone())),
        };
        let _ = writeln!(text, "| {} |{bytes} |{}", cell.contender, errors(cell));
    }
    text
}

/// Medians of what a loop's own moves cost, in nanoseconds, with their spread.
pub(crate) fn of_micro(header: &str, load: &Load, runs: &Runs) -> String {
    let columns = [
        "runtime",
        "spawn and join",
        "timer armed and cancelled, 100,000 pending",
        "wake-up from another thread",
        "short run, 1,000 idle sockets",
    ];
    let mut text = begin(header, load, &columns);
    for (name, runs) in runs {
        let _ = write!(text, "| {name} |");
        for at in 0..4 {
            let all: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            let (least, most) = spread(&all);
            let _ = write!(text, " {:.0} ({least:.0}–{most:.0}) |", median(all));
        }
        text += "\n";
    }
    text
}

/// The least and the most; NaN where there is none.
fn spread(all: &[f64]) -> (f64, f64) {
    let all = || all.iter().copied();
    let least = all().reduce(f64::min).unwrap_or(f64::NAN);
    (least, all().reduce(f64::max).unwrap_or(f64::NAN))
}
