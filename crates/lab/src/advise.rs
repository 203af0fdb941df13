//! Advice: what follows from the cells just measured, and from nothing else.

use crate::report::{Cell, seconds, size};
use crate::rows::Workload;

/// Rows this close to the best count as equal; then processor time decides, then memory.
const EQUAL: f64 = 1.10;

/// Which model to run for what, by how much, and what was a mistake; one line each.
pub fn advise(cells: &[Cell]) -> Vec<String> {
    let mut lines = Vec::new();
    for workload in Workload::ALL {
        let cells: Vec<&Cell> = cells
            .iter()
            .filter(|cell| cell.workload == workload)
            .collect();
        if let Some(line) = best_line(workload, &cells) {
            lines.push(line);
        }
        lines.extend(mistakes(&cells));
        lines.extend(starving(&cells));
    }
    lines
}

/// The row to run: of those as fast as the fastest, the one that costs least.
pub(crate) fn choose<'a>(cells: &[&'a Cell]) -> Option<(&'a Cell, f64)> {
    let fair = || {
        cells
            .iter()
            .filter(|cell| !cell.mistake && cell.error.is_none())
    };
    let best = fair()
        .filter_map(|cell| cell.score())
        .min_by(f64::total_cmp)?;
    let equal = fair().filter(|cell| cell.score().is_some_and(|score| score <= best * EQUAL));
    let chosen =
        equal.min_by(|a, b| cost(a).total_cmp(&cost(b)).then(memory(a).cmp(&memory(b))))?;
    Some((chosen, best))
}

fn cost(cell: &Cell) -> f64 {
    cell.measured
        .as_ref()
        .map_or(f64::INFINITY, |measured| match measured.echo {
            Some(echo) => echo.cpu_us_per_round_trip,
            // Below a clock tick there is no telling them apart.
            None => ((measured.user_s + measured.system_s) * 100.0).round(),
        })
}

fn memory(cell: &Cell) -> u64 {
    cell.measured
        .as_ref()
        .map_or(u64::MAX, |measured| measured.peak_rss_bytes)
}

fn best_line(workload: Workload, cells: &[&Cell]) -> Option<String> {
    let what = match workload {
        Workload::Io => "work that waits for the network",
        Workload::Cpu => "work that computes",
        Workload::Echo => "a server of small messages",
    };
    let (chosen, best) = choose(cells)?;
    let measured = chosen.measured.as_ref()?;
    let score = chosen.score()?;
    let rivals: Vec<&&Cell> = cells
        .iter()
        .filter(|cell| !cell.mistake && cell.model != chosen.model)
        .filter(|cell| cell.score().is_some())
        .collect();
    let equal: Vec<&str> = rivals
        .iter()
        .filter(|cell| cell.score().is_some_and(|score| score <= best * EQUAL))
        .map(|cell| cell.model.as_str())
        .collect();
    let next = rivals
        .iter()
        .filter(|cell| cell.score().is_some_and(|other| other > best * EQUAL))
        .filter_map(|cell| Some((cell.score()? / score, cell.model.as_str())))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let mut line = format!("for {what}, run {}", chosen.model);
    match chosen.speed_up {
        Some(speed_up) if chosen.model != "blocking" => {
            line += &format!(": {speed_up:.1} times as fast as blocking");
        }
        _ => {}
    }
    if !equal.is_empty() {
        let cost = match measured.echo {
            Some(echo) => format!("{:.2} us of CPU a round trip", echo.cpu_us_per_round_trip),
            None => format!("{} of CPU", seconds(measured.user_s + measured.system_s)),
        };
        line += &format!(
            "; within 10 % of it in time: {}; it costs least of them ({cost}, {})",
            equal.join(", "),
            size(measured.peak_rss_bytes)
        );
    }
    if let Some((times, model)) = next {
        line += &format!("; next, {times:.2} times slower: {model}");
    }
    Some(line)
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
            let left = echo.clients - echo.served;
            (left > 0).then(|| format!("{} {left} of {}", cell.model, echo.clients))
        })
        .collect();
    (!rows.is_empty()).then(|| format!("clients left without an answer: {}", rows.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Echo, Measured, Spread};

    fn cell(model: &str, wall_s: f64, user_s: f64) -> Cell {
        Cell {
            workload: Workload::Io,
            model: model.into(),
            measured: Some(Measured {
                wall_s,
                user_s,
                peak_rss_bytes: 1 << 20,
                ..Measured::default()
            }),
            spread: Spread::default(),
            speed_up: Some(10.0 / wall_s),
            error: None,
            mistake: false,
        }
    }

    #[test]
    fn the_numbers_decide() {
        let one = [
            cell("blocking", 10.0, 0.1),
            cell("threads", 1.0, 0.1),
            cell("tasks", 2.0, 0.1),
        ];
        assert!(
            advise(&one)[0].contains("run threads: 10.0 times as fast"),
            "{:?}",
            advise(&one)
        );
        let other = [
            cell("blocking", 10.0, 0.1),
            cell("threads", 2.0, 0.1),
            cell("tasks", 1.0, 0.1),
        ];
        assert!(advise(&other)[0].contains("run tasks"));
        assert!(advise(&other)[0].contains("2.00 times slower: threads"));
    }

    #[test]
    fn equal_time_is_decided_by_processor_time() {
        let cells = [cell("threads", 1.00, 0.9), cell("tasks", 1.05, 0.1)];
        let advice = advise(&cells);
        assert!(
            advice[0].contains("run tasks") && advice[0].contains("threads"),
            "{advice:?}"
        );
    }

    #[test]
    fn the_choice_is_never_slower_than_a_tenth_above_the_fastest() {
        let seed = fastrand::u64(..);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..1000 {
            let cells: Vec<Cell> = (0..rng.usize(1..6))
                .map(|n| cell(&format!("m{n}"), 0.1 + rng.f64(), rng.f64()))
                .collect();
            let all: Vec<&Cell> = cells.iter().collect();
            let (chosen, best) = choose(&all).unwrap();
            let least = cells
                .iter()
                .filter_map(Cell::score)
                .min_by(f64::total_cmp)
                .unwrap();
            assert_eq!(best, least, "seed {seed}");
            assert!(chosen.score().unwrap() <= least * EQUAL, "seed {seed}");
        }
    }

    #[test]
    fn mistakes_failures_and_starving_servers_are_not_recommended() {
        let mut inline = cell("tasks/epoll on the loop", 0.5, 0.1);
        inline.mistake = true;
        let mut failed = cell("pool", 0.1, 0.1);
        failed.error = Some("no".into());
        let mut starving = cell("blocking", 0.1, 0.1);
        starving.measured.as_mut().unwrap().echo = Some(Echo {
            round_trips_per_s: 1e9,
            served: 1,
            clients: 50,
            ..Echo::default()
        });
        let cells = [inline, failed, starving, cell("tasks/epoll", 0.2, 0.1)];
        let advice = advise(&cells).join("\n");
        assert!(advice.contains("run tasks/epoll"), "{advice}");
        assert!(advice.contains("blocking 49 of 50"), "{advice}");
        assert!(advice.contains("2.50 times as long"), "{advice}");
        assert!(advise(&[]).is_empty());
    }
}
