//! What a run of the lab has done, does now, and has to do: a live table on stderr, hidden unless stderr is a terminal.
//!
//! A terminal that cannot move its cursor (`TERM=dumb`) gets a line for each experiment. Nothing is coloured.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::clip;
use crate::unit;

#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Whether each experiment gets a line, for want of a cursor.
    plain: bool,
    table: Mutex<Table>,
}

/// What the table shows.
#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    now: String,
    next: String,
    best: String,
}

#[derive(Debug)]
struct Row {
    name: &'static str,
    estimate: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    Waits,
    Runs(Instant),
    /// How long it took, and what came of it.
    Done(Duration, String),
}

impl Progress {
    /// Shows a bar for about `total` of work.
    pub(crate) fn new(total: Duration) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let plain = terminal && std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        let target = match terminal && !plain {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total.as_millis() as u64), target);
        let template = "{bar:24} {elapsed} of about {prefix}\n{msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(about(total));
        // Ticking takes a thread, so a hidden bar does not tick.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress {
            bar,
            plain,
            table: Mutex::default(),
        }
    }

    /// Lists the experiments of the run, with how long each takes.
    pub(crate) fn plan(&self, experiments: &[(&'static str, Duration)]) {
        let total: Duration = experiments.iter().map(|(_, estimate)| *estimate).sum();
        self.bar.set_length(total.as_millis() as u64);
        self.bar.set_prefix(about(total));
        let rows = experiments.iter().map(|&(name, estimate)| Row {
            name,
            estimate,
            state: State::Waits,
        });
        self.change(|table| table.rows = rows.collect());
    }

    /// Marks an experiment as begun.
    pub(crate) fn enter(&self, name: &str) {
        if self.plain {
            say(&format!("{name} …"));
        }
        self.set(name, State::Runs(Instant::now()));
    }

    /// Marks an experiment as done, with what came of it.
    pub(crate) fn leave(&self, name: &str, took: Duration, result: &str) {
        if self.plain {
            say(&format!(
                "{name}: {}; {result}",
                unit::seconds(took.as_secs_f64())
            ));
        }
        self.set(name, State::Done(took, result.to_owned()));
        let gone = self.change(|table| {
            let done = table
                .rows
                .iter()
                .filter(|row| matches!(row.state, State::Done(..)));
            done.map(|row| row.estimate).sum::<Duration>()
        });
        self.bar.set_position(gone.as_millis() as u64);
    }

    pub(crate) fn begin(&self, cell: &str) {
        self.change(|table| table.now = cell.to_owned());
    }

    pub(crate) fn expect(&self, next: &str, best: &str) {
        self.change(|table| {
            table.next = next.to_owned();
            table.best = best.to_owned();
        });
    }

    /// Advances the bar by the estimated duration of a finished cell.
    pub(crate) fn end(&self, took: Duration) {
        let end = self.change(|table| {
            let begun = table
                .rows
                .iter()
                .filter(|row| !matches!(row.state, State::Waits));
            begun.map(|row| row.estimate).sum::<Duration>()
        });
        let position = self.bar.position() + took.as_millis() as u64;
        // No further than to the end of the experiment, however many rounds it takes.
        let end = if end.is_zero() {
            u64::MAX
        } else {
            end.as_millis() as u64
        };
        self.bar.set_position(position.min(end));
    }

    fn set(&self, name: &str, state: State) {
        self.change(|table| {
            (table.now, table.next, table.best) = Default::default();
            if let Some(row) = table.rows.iter_mut().find(|row| row.name == name) {
                row.state = state;
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self
            .table
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let result = change(&mut table);
        if !self.bar.is_hidden() {
            self.bar.set_message(table.text());
        }
        result
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Table {
    fn text(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(0);
        let mut lines = Vec::new();
        for row in &self.rows {
            let (mark, said) = match &row.state {
                State::Waits => ("·", format!("about {}", about(row.estimate))),
                State::Runs(since) => {
                    let left = match row.estimate.saturating_sub(since.elapsed()) {
                        Duration::ZERO => "longer than usual".to_owned(),
                        left => format!("about {} left", about(left)),
                    };
                    let now = self.now.strip_prefix(row.name).unwrap_or(&self.now).trim();
                    ("▶", format!("{now}  ({left})"))
                }
                State::Done(took, result) => (
                    "✔",
                    format!("{}  {result}", unit::seconds(took.as_secs_f64())),
                ),
            };
            lines.push(clip(&format!("{mark} {:width$}  {said}", row.name)));
        }
        for (what, said) in [("next", &self.next), ("best so far", &self.best)] {
            if !said.is_empty() {
                lines.push(clip(&format!("  {what}: {said}")));
            }
        }
        lines.join("\n")
    }
}

/// Rounds a time up to whole seconds.
fn about(time: Duration) -> String {
    let whole = time.as_secs_f64().ceil() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        _ => format!("{} min", whole.div_ceil(60)),
    }
}

fn say(line: &str) {
    // A line that nobody reads is dropped.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_is_done_what_runs_and_what_comes() {
        let progress = Progress::new(Duration::ZERO);
        progress.plan(&[
            ("io", Duration::from_secs(12)),
            ("echo", Duration::from_secs(3_600)),
            ("http", Duration::from_secs(150)),
        ]);
        progress.enter("io");
        progress.leave("io", Duration::from_secs(11), "tasks/epoll 105 ms");
        progress.enter("echo");
        progress.begin("echo threads, round 2");
        progress.expect("pool", "tasks/epoll 81,000/s");
        let text = progress.change(|table| table.text());
        let expected = "\
✔ io    11 s  tasks/epoll 105 ms
▶ echo  threads, round 2  (about 60 min left)
· http  about 3 min
  next: pool
  best so far: tasks/epoll 81,000/s";
        assert_eq!(text, expected);
    }
}
