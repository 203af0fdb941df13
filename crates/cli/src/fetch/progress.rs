//! How far the fetch is, in pages and bytes, on stderr; hidden unless stderr is a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Clones show the same.
#[derive(Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Shows how many of `pages` are done.
    pub(super) fn new(pages: usize) -> Progress {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(pages as u64), target);
        let template = "{bar:24} {pos} of {len} pages, {msg}, {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let progress = Progress {
            bar,
            bytes: Arc::default(),
        };
        progress.bytes(0);
        progress
    }

    /// Counts bytes that have come.
    pub(super) fn bytes(&self, more: u64) {
        let bytes = self.bytes.fetch_add(more, Ordering::Relaxed) + more;
        // A message is a text of its own, which a hidden bar would make for nothing.
        if !self.bar.is_hidden() {
            self.bar.set_message(HumanBytes(bytes).to_string());
        }
    }

    /// Counts a page that is done.
    pub(super) fn page(&self) {
        self.bar.inc(1);
    }

    /// Has `print` write lines, which the bar gives way to.
    pub(super) fn suspended<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
