//! Advice that follows from the measured cells alone.
//!
//! The fastest row of a workload wins. Rows within 10 % of it count as equally fast; among them the least
//! processor time decides, then the least memory, each within 5 %. If these are equal too, the platform's
//! best driver wins, or else the fastest row. Rows that failed, demonstrate a mistake, or left clients
//! unserved are not ranked.

use switchboard_runtime::Driver;

use crate::compare::comparison::Cell;
use crate::compare::rows::Workload;
use crate::text::{seconds, size};

/// Rows whose time is within this factor of the best count as equally fast.
const EQUAL: f64 = 1.10;

/// Processor times and sizes within this factor count as equal; smaller differences are noise.
const SAME: f64 = 1.05;

/// Returns the advice, one line for each point: which model to run for each workload, by how much it wins,
/// and what the mistakes cost. The last line is the summary.
pub fn advise(cells: &[Cell]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut short = Vec::new();
    for workload in Workload::ALL {
        let of_it = cells.iter().filter(|cell| cell.workload == workload);
        let cells: Vec<&Cell> = of_it.collect();
        if cells.is_empty() {
            continue;
        }
        let (what, in_short) = match workload {
            Workload::Io => ("work that waits for the network", "I/O-bound work"),
            Workload::Cpu => ("work that computes", "CPU-bound work"),
            Workload::Echo => ("a server of small messages", "a server"),
        };
        match choose(&cells) {
            Some(choice) => {
                lines.push(format!("for {what}, {}", choice.sentence(&cells)));
                let doubt = if choice.is_clear() {
                    ""
                } else {
                    " (within noise)"
                };
                short.push(format!("{} for {in_short}{doubt}", choice.chosen.model));
            }
            None => lines.push(format!(
                "for {what}, nothing to recommend: no row did it all"
            )),
        }
        lines.extend(mistakes(&cells));
        lines.extend(starving(&cells));
    }
    if !short.is_empty() {
        lines.push(format!("in short: {}", short.join(", ")));
    }
    lines
}

struct Choice<'a> {
    /// The recommended row: among the equally fast, the one with the least cost.
    chosen: &'a Cell,
    fastest: &'a Cell,
    /// The other rows as fast as the fastest, fastest first.
    equal: Vec<&'a Cell>,
    /// The slower rows, fastest first.
    slower: Vec<&'a Cell>,
}

fn choose<'a>(cells: &[&'a Cell]) -> Option<Choice<'a>> {
    let competitors = cells.iter().filter(|cell| !cell.mistake);
    let mut ranked: Vec<(f64, &Cell)> = competitors
        .filter_map(|cell| Some((cell.score()?, *cell)))
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let &(best, fastest) = ranked.first()?;
    let (equal, slower): (Vec<_>, Vec<_>) = ranked
        .into_iter()
        .partition(|(score, _)| *score <= best * EQUAL);
    let rows = |ranked: Vec<(f64, &'a Cell)>| ranked.into_iter().map(|(_, cell)| cell);
    let mut equal: Vec<&Cell> = rows(equal).collect();
    let lean = least(least(equal.clone(), cost), memory);
    let best = format!("/{}", Driver::best());
    let default = lean.iter().find(|cell| cell.model.ends_with(&best));
    // `lean` is in order of speed, so its first row is the fastest.
    let chosen = default.or(lean.first())?;
    let at = equal.iter().position(|cell| std::ptr::eq(*cell, *chosen))?;
    Some(Choice {
        chosen: equal.remove(at),
        fastest,
        equal,
        slower: rows(slower).collect(),
    })
}

/// Returns the cells with the least value of `of`, within [`SAME`].
fn least(mut cells: Vec<&Cell>, of: fn(&Cell) -> f64) -> Vec<&Cell> {
    let least = cells
        .iter()
        .map(|cell| of(cell))
        .fold(f64::INFINITY, f64::min);
    cells.retain(|cell| of(cell) <= least * SAME);
    cells
}

/// Returns the processor time, rounded to what can be distinguished.
fn cost(cell: &Cell) -> f64 {
    let Some(measured) = &cell.measured else {
        return f64::INFINITY;
    };
    match measured.echo {
        Some(echo) => echo.cpu_us_per_round_trip,
        // Differences below a clock tick (10 ms) are not significant.
        None => ((measured.user_s + measured.system_s) * 100.0).round(),
    }
}

fn memory(cell: &Cell) -> f64 {
    let measured = cell.measured.as_ref();
    measured.map_or(f64::INFINITY, |measured| measured.peak_rss_bytes as f64)
}

impl Choice<'_> {
    fn sentence(&self, cells: &[&Cell]) -> String {
        let Choice {
            chosen,
            fastest,
            equal,
            slower,
        } = self;
        let mut line = format!("run {}", chosen.model);
        let blocking = cells.iter().find(|cell| cell.model == "blocking");
        // A `blocking` row that left clients unserved has no score, so nothing is compared with it.
        if let Some(times) = chosen.speed_up
            && chosen.model != "blocking"
            && blocking.is_some_and(|cell| cell.score().is_some())
        {
            line += &format!(": {times:.1} times as fast as blocking");
        }
        if !equal.is_empty() {
            line += &self.tie();
        }
        match slower.first() {
            Some(next) => {
                // The row is compared with the fastest, because that comparison ranked it as slower.
                let pair = next.score().zip(fastest.score());
                let times = pair.map_or(1.0, |(next, best)| next / best);
                line += &format!("; {} takes {times:.2} times as long", next.model);
                if fastest.model != chosen.model {
                    line += &format!(" as {}", fastest.model);
                }
                if next.spread.overlaps(chosen.spread) {
                    line += ", but within noise: more runs would tell";
                }
            }
            None if equal.is_empty() => line += "; it has no rival here",
            None => {}
        }
        line
    }

    /// Returns whether the chosen row's runs overlap with no other row's runs.
    fn is_clear(&self) -> bool {
        let mut rivals = self.equal.iter().chain(&self.slower);
        !rivals.any(|rival| rival.spread.overlaps(self.chosen.spread))
    }

    /// Describes the equally fast rows, and what decided between them.
    fn tie(&self) -> String {
        let Choice {
            chosen,
            fastest,
            equal,
            ..
        } = self;
        let noisy = equal.iter().filter(|cell| {
            let apart = match cell.model == fastest.model {
                true => chosen,
                false => fastest,
            };
            cell.spread.overlaps(apart.spread)
        });
        let noisy: Vec<&Cell> = noisy.copied().collect();
        let mut text = format!("; as fast within 10 %: {}", names(equal));
        if !noisy.is_empty() {
            text += &format!("; no clear winner in time: {} within noise", names(&noisy));
        }
        let mut all = equal.clone();
        all.push(chosen);
        let cheap = least(all, cost);
        let mut lean = least(cheap.clone(), memory);
        text += &match (cheap.len(), lean.len()) {
            (1, _) => format!("; of them it takes the least CPU ({})", cpu(chosen)),
            (_, 1) => {
                let held = chosen.measured.as_ref().map_or(0, |m| m.peak_rss_bytes);
                format!(
                    "; of them it takes no more CPU than any ({}) and the least memory ({})",
                    cpu(chosen),
                    size(held)
                )
            }
            _ => {
                lean.retain(|cell| cell.model != chosen.model);
                format!(
                    "; nothing measured here sets it apart from {}",
                    names(&lean)
                )
            }
        };
        text
    }
}

fn names(cells: &[&Cell]) -> String {
    let names: Vec<&str> = cells.iter().map(|cell| cell.model.as_str()).collect();
    names.join(", ")
}

fn cpu(cell: &Cell) -> String {
    let measured = cell.measured.as_ref();
    measured.map_or(String::new(), |measured| match measured.echo {
        Some(echo) => format!("{:.2} us a round trip", echo.cpu_us_per_round_trip),
        None => seconds(measured.user_s + measured.system_s),
    })
}

fn mistakes(cells: &[&Cell]) -> Vec<String> {
    let line = |cell: &&&Cell| {
        let plain = cell.model.strip_suffix(" on the loop")?;
        let right = cells.iter().find(|other| other.model == plain)?;
        let times = cell.score()? / right.score()?;
        Some(match times {
            times if times > EQUAL => format!(
                "computing on the loop instead of in run_blocking took {times:.2} times as long, \
                 and nothing else ran meanwhile"
            ),
            _ => "computing on the loop took no longer here than run_blocking, but nothing else \
                  ran meanwhile"
                .to_owned(),
        })
    };
    cells
        .iter()
        .filter(|cell| cell.mistake)
        .filter_map(|cell| line(&cell))
        .collect()
}

fn starving(cells: &[&Cell]) -> Option<String> {
    let rows: Vec<String> = cells
        .iter()
        .filter_map(|cell| {
            let echo = cell.measured.as_ref()?.echo?;
            let left = echo.clients.saturating_sub(echo.served);
            (left > 0).then(|| format!("{} {left} of {}", cell.model, echo.clients))
        })
        .collect();
    (!rows.is_empty()).then(|| format!("clients left without an answer: {}", rows.join(", ")))
}

#[cfg(test)]
mod tests;
