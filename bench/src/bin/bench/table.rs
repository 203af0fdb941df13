//! Tables, in markdown.

use std::fmt::Write;
use std::process::Command;

use switchboard_lab::median;

use crate::Cell;
use crate::loads::Figures;
use crate::micro::{NAME, Runs};

/// The machine, the kernel and the commit.
pub(crate) fn header() -> String {
    let commit = Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let commit = commit.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    });
    let machine = switchboard_lab::machine();
    format!(
        "{}, {} cores, {}; commit {commit}",
        machine.cpu, machine.cores, machine.kernel
    )
}

/// Medians of a load's rows. CPU is given as a ratio to the raw epoll server's too, pair by pair.
pub(crate) fn of(header: &str, name: &str, what: &str, row: &[Cell]) -> String {
    let mut text = format!("\n### {name}: {what}\n\n{header}\n\n");
    let raw = row.iter().find(|cell| cell.contender == "raw-epoll");
    if name == "idle" {
        text += "| server | bytes a connection |\n|---|---|\n";
    } else {
        text += "| server | per s | CPU us | user | system | ÷ raw epoll (spread) | p50 us | p99 us \
                 | p99.9 us | load us |\n|---|---|---|---|---|---|---|---|---|---|\n";
    }
    for cell in row {
        let of = |field: fn(&Figures) -> f64| median(cell.runs.iter().map(field).collect());
        if cell.runs.is_empty() {
            let why = cell.errors.first().map_or("no run", String::as_str);
            let _ = writeln!(text, "| {} | {why} |", cell.contender);
        } else if name == "idle" {
            let _ = writeln!(text, "| {} | {:.0} |", cell.contender, of(|f| f.bytes));
        } else {
            let ratios: Vec<f64> = raw
                .iter()
                .flat_map(|raw| cell.runs.iter().zip(&raw.runs))
                .map(|(run, raw)| run.cpu_us() / raw.cpu_us())
                .collect();
            let (least, most) = spread(&ratios);
            let _ = writeln!(
                text,
                "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} ({least:.2}–{most:.2}) | {} | {} | {} | {:.2} |{}",
                cell.contender,
                of(|f| f.per_s),
                of(Figures::cpu_us),
                of(|f| f.user_us),
                of(|f| f.system_us),
                median(ratios),
                told(of(|f| f.p50_us)),
                told(of(|f| f.p99_us)),
                told(of(|f| f.p999_us)),
                of(|f| f.load_us),
                match cell.errors.first() {
                    Some(error) => format!(" {} failed: {error}", cell.errors.len()),
                    None => String::new(),
                }
            );
        }
    }
    text
}

/// Medians of what a loop's own moves cost, with their spread.
pub(crate) fn of_micro(header: &str, runs: &Runs) -> String {
    let mut text = format!(
        "\n### {NAME}: a loop's own moves, ns (spread)\n\n{header}\n\n| runtime | spawn and join | timer \
         armed and cancelled, 100,000 pending | wake-up from another thread |\n|---|---|---|---|\n"
    );
    for (name, runs) in runs {
        let _ = write!(text, "| {name} |");
        for at in 0..3 {
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

/// Some loads have no latency of one message.
fn told(micros: f64) -> String {
    match micros {
        0.0 => "–".to_owned(),
        micros => format!("{micros:.0}"),
    }
}
