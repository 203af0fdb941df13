//! The list of open connections that SIGUSR1 asks for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use switchboard_runtime::{Hooks, Waiting};

use crate::caught::{Caught, Signals};
use crate::counts::Count;
use crate::observer::{Observer, OpenConnection};
use crate::settings::Settings;

/// The most connections that one list names: those that wait longest. The reader of a log may be slow, and a
/// server can hold ten thousand.
const LONGEST: usize = 100;

/// Answers SIGUSR1 with notices: what each connection waits for, and since when.
pub(crate) struct Listing {
    /// `None` unless the server is observed and catches signals.
    signals: Option<Signals>,
    observer: Observer,
    hooks: Arc<dyn Hooks>,
}

impl Listing {
    /// Returns what answers the signal that asks for a list, which it takes.
    pub(crate) fn new(settings: &Settings, observer: &Observer, caught: &mut Caught) -> Listing {
        Listing {
            signals: caught.list.take(),
            observer: observer.clone(),
            hooks: settings.hooks.clone(),
        }
    }

    /// Answers for as long as it is polled.
    pub(crate) async fn answer<T>(&self) -> io::Result<T> {
        loop {
            self.asked().await?;
            self.list();
        }
    }

    /// Waits until a list is asked for.
    pub(crate) async fn asked(&self) -> io::Result<()> {
        match &self.signals {
            Some(signals) => signals.wait().await,
            None => std::future::pending().await,
        }
    }

    fn list(&self) {
        let mut all = self.observer.connections();
        self.hooks.notice(&summary(&all));
        all.sort_by_key(|open| std::cmp::Reverse(waiting_for(open)));
        for open in all.iter().take(LONGEST) {
            self.hooks.notice(open);
        }
        if all.len() > LONGEST {
            let more = Count(all.len() - LONGEST, "other");
            self.hooks
                .notice(&format_args!("and {more}, which wait for a shorter time"));
        }
    }
}

fn waiting_for(open: &OpenConnection) -> Duration {
    open.waiting.map_or(open.open_for, |(_, since)| since)
}

fn summary(all: &[OpenConnection]) -> String {
    let count = |what: Waiting| {
        let waits = |open: &&OpenConnection| open.waiting.is_some_and(|(is, _)| is == what);
        all.iter().filter(waits).count()
    };
    let (receive, send) = (count(Waiting::Receive), count(Waiting::Send));
    format!(
        "{}: {receive} waiting to receive, {send} to send, {} other",
        Count(all.len(), "open connection"),
        all.len() - receive - send
    )
}
