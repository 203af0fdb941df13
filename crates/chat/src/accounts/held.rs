//! A hub that checks no password for a while, for tests.

use std::sync::mpsc::{Sender, channel};

use super::{Account, THREADS, hash};
use crate::{Hub, HubOptions, Log, Pending};

pub(crate) const PASSWORD: &str = "correct horse";

/// Keeps nothing, and has the name `ann`.
struct Registered;

impl Log for Registered {
    fn append(&self, pending: Pending) {
        pending.kept_next();
    }

    fn accounts(&self) -> Option<Vec<Account>> {
        let (nick, hash) = ("ann".parse().unwrap(), hash(PASSWORD).unwrap());
        Some(vec![Account { nick, hash }])
    }
}

/// Returns a hub with the account `ann`, and what keeps the threads that check passwords busy until it is dropped.
pub(crate) fn hub() -> (Hub, Vec<Sender<()>>) {
    let hub = Hub::new(HubOptions::default(), Registered);
    let accounts = hub.accounts().unwrap();
    let hold = |_| {
        let (gate, opened) = channel::<()>();
        let (start, started) = channel();
        assert!(accounts.in_turn(move || {
            start.send(()).unwrap();
            let _ = opened.recv();
        }));
        started.recv().unwrap();
        gate
    };
    let held = (0..*THREADS).map(hold).collect();
    (hub, held)
}
