//! The tables: each row's figures, the ends of its slow clients, and whether the limits were kept.

use crate::options::Row;
use crate::row::{Measured, Turn, Window};

/// The most that slow clients may add: p99 beside them ÷ p99 alone.
const RATIO: f64 = 1.5;
/// So many lines of a server's log are shown.
const LINES: usize = 6;

const MIB: f64 = 1024.0 * 1024.0;

/// The least, the median and the most.
struct Spread(f64, f64, f64);

impl Spread {
    fn of(turns: &[Turn], value: impl Fn(&Turn) -> f64) -> Spread {
        let mut values: Vec<f64> = turns.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        Spread(
            values[0],
            values[values.len() / 2],
            values[values.len() - 1],
        )
    }
}

pub fn print_head() {
    println!(
        "| server | p50 alone | p99 alone | beside | ÷ | elsewhere | ÷ | late alone, beside | served | unanswered \
         | held | busy alone, beside | memory | system |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
}

/// Prints a server's row; returns whether its honest clients see as little of the slow ones as they are to.
pub fn print_row(row: &Row, measured: &Measured) -> bool {
    let turns = &measured.turns;
    let median = |value: &dyn Fn(&Turn) -> f64| Spread::of(turns, value).1;
    // Where nobody was answered, there is no latency.
    let p99 = |window: &Window| match window.seen.served {
        0 => f64::INFINITY,
        _ => window.seen.ms(0.99),
    };
    let ratio = Spread::of(turns, |turn| p99(&turn.beside) / p99(&turn.alone));
    let control = Spread::of(turns, |turn| p99(&turn.elsewhere) / p99(&turn.alone));
    let late = |window: &Window| window.seen.late.value_at_quantile(0.99) as f64 / 1000.0;
    let asked = |turn: &Turn| turn.beside.seen.latencies.len() + turn.beside.seen.unanswered;
    let held = turns.iter().map(|turn| turn.held.0.min(turn.held.1)).min();
    println!(
        "| {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ({:.2} to {:.2}) | {:.2} ms | {:.2} ({:.2} to {:.2}) \
         | {:.2}, {:.2} ms | {:.0}, {:.0} | {:.1} % | {} | {:.1} %, {:.1} % | {:.0} MiB | {:.0} MiB |",
        row.name,
        median(&|turn| turn.alone.seen.ms(0.5)),
        median(&|turn| p99(&turn.alone)),
        median(&|turn| p99(&turn.beside)),
        ratio.1,
        ratio.0,
        ratio.2,
        median(&|turn| p99(&turn.elsewhere)),
        control.1,
        control.0,
        control.2,
        median(&|turn| late(&turn.alone)),
        median(&|turn| late(&turn.beside)),
        median(&|turn| turn.alone.seen.served as f64),
        median(&|turn| turn.beside.seen.served as f64),
        median(&|turn| turn.beside.seen.unanswered as f64 * 100.0 / asked(turn).max(1) as f64),
        held.unwrap_or(0),
        median(&|turn| turn.alone.cpu * 100.0),
        median(&|turn| turn.beside.cpu * 100.0),
        median(&|turn| turn.memory as f64 / MIB),
        median(&|turn| turn.system as f64 / MIB),
    );
    !row.is_limited || (ratio.1 <= RATIO && held == Some(row.slow))
}

/// Prints how the slow clients of a server ended: what they saw, and what its log says.
pub fn print_said(row: &Row, measured: &Measured) {
    println!("\n{}\n", row.name);
    for line in measured.endings.lines() {
        println!("    client: {line}");
    }
    for (ending, (count, seconds)) in &measured.said.endings {
        let average = seconds / *count as f64;
        println!("    server: {count} after {average:.1} s: {ending}");
    }
    for line in measured.said.notices.iter().take(LINES) {
        println!("    log: {line}");
    }
}
