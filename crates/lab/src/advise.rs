//! Advice: what follows from the cells just measured, and from nothing else.
//!
//! Of the rows of a workload the fastest wins. Rows within 10 % of it count as equally fast; of those
//! those that used the least processor time win, then those with the least memory, within 5 % each.
//! If nothing measured sets the rest apart, the platform's best driver wins, or the fastest. Rows that
//! failed, show a mistake or left clients alone don't compete.

use switchboard_runtime::Driver;

use crate::report::Cell;
use crate::rows::Workload;
use crate::table::{seconds, size};

/// Rows this close to the best count as equal; then processor time decides, then memory.
const EQUAL: f64 = 1.10;

/// Processor times and sizes this close are the same: the rest is noise.
const SAME: f64 = 1.05;

/// Which model to run for what, by how much, and what was a mistake; one line each. The last line is
/// the whole of it in short.
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
    /// The row to run: of those as fast as the fastest, the one that costs least.
    chosen: &'a Cell,
    fastest: &'a Cell,
    /// The chosen one's rivals, those as fast as the fastest and the slower ones, fastest first.
    equal: Vec<&'a Cell>,
    slower: Vec<&'a Cell>,
}

fn choose<'a>(cells: &[&'a Cell]) -> Option<Choice<'a>> {
    let fair = cells.iter().filter(|cell| !cell.mistake);
    let mut ranked: Vec<(f64, &Cell)> = fair
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
    // In order of speed: the first is the fastest.
    let chosen = default.or(lean.first())?;
    let at = equal.iter().position(|cell| std::ptr::eq(*cell, *chosen))?;
    Some(Choice {
        chosen: equal.remove(at),
        fastest,
        equal,
        slower: rows(slower).collect(),
    })
}

/// Those with the least, as far as it can be told apart.
fn least(mut cells: Vec<&Cell>, of: fn(&Cell) -> f64) -> Vec<&Cell> {
    let least = cells
        .iter()
        .map(|cell| of(cell))
        .fold(f64::INFINITY, f64::min);
    cells.retain(|cell| of(cell) <= least * SAME);
    cells
}

/// Processor time, as far as it can be told apart.
fn cost(cell: &Cell) -> f64 {
    let Some(measured) = &cell.measured else {
        return f64::INFINITY;
    };
    match measured.echo {
        Some(echo) => echo.cpu_us_per_round_trip,
        // Below a clock tick there is no telling them apart.
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
        // One that leaves clients alone is fast for those it serves: no measure for the rest.
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
                // Against the fastest: that is what made it slower than the rest.
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

    /// Whether no rival's runs mingle with the chosen one's.
    fn is_clear(&self) -> bool {
        let mut rivals = self.equal.iter().chain(&self.slower);
        !rivals.any(|rival| rival.spread.overlaps(self.chosen.spread))
    }

    /// Who is as fast, and what made the difference.
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
