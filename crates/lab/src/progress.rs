//! A progress bar while cells run; nothing where stderr is no terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `whole` is about what all cells take.
    pub(crate) fn new(whole: Duration) -> Progress {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(whole.as_millis() as u64), target);
        let template = "{bar:24} {elapsed} of about {prefix}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{}s", whole.as_secs_f64().ceil()));
        // A thread, which nobody needs who sees nothing.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(bar)
    }

    pub(crate) fn begin(&self, cell: &str) {
        self.0.set_message(cell.to_owned());
    }

    /// A cell of about this length is done.
    pub(crate) fn end(&self, took: Duration) {
        self.0.inc(took.as_millis() as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
