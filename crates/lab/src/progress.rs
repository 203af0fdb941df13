//! A progress bar on stderr while cells run; hidden unless stderr is a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows a bar for about `total` of work.
    pub(crate) fn new(total: Duration) -> Progress {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(total.as_millis() as u64), target);
        let template = "{bar:24} {elapsed} of about {prefix}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{}s", total.as_secs_f64().ceil()));
        // Ticking takes a thread, so a hidden bar does not tick.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(bar)
    }

    pub(crate) fn begin(&self, cell: &str) {
        self.0.set_message(cell.to_owned());
    }

    /// Advances the bar by the estimated duration of a finished cell.
    pub(crate) fn end(&self, took: Duration) {
        self.0.inc(took.as_millis() as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
