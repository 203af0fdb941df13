//! The adversary of a simulated kernel: decides which events a wait reports, and in which order.

use fastrand::Rng;

use super::Sim;
use crate::fd_table::FdTable;
use crate::select::is_open;
use crate::{Event, Interest, Mode, Ready, Token};

pub(super) struct Registration {
    pub(super) token: Token,
    pub(super) interest: Interest,
    pub(super) mode: Mode,
    /// The kernel's report of the last wait, in level mode.
    pub(super) level: Ready,
    /// An edge or a step of the script that is not reported yet.
    pub(super) pending: Ready,
    withheld: u32,
}

impl Registration {
    pub(super) fn new(token: Token, interest: Interest, mode: Mode) -> Registration {
        Registration {
            token,
            interest,
            mode,
            level: Ready::NONE,
            pending: Ready::NONE,
            withheld: 0,
        }
    }

    fn ready(&self) -> Ready {
        self.level | self.pending
    }
}

pub(super) struct Adversary {
    rng: Rng,
}

impl Adversary {
    pub(super) fn new(seed: u64) -> Adversary {
        Adversary {
            rng: Rng::with_seed(seed),
        }
    }

    /// Adds the events of one wait.
    pub(super) fn report(
        &mut self,
        registrations: &mut FdTable<Registration>,
        events: &mut Vec<Event>,
    ) {
        // A descriptor that was closed too early is not reported, nor is its pending readiness.
        let mut ready: Vec<usize> = (0..registrations.len())
            .filter(|&at| !registrations.get(at).ready().is_empty())
            .filter(|&at| is_open(registrations.fd(at)))
            .collect();
        self.rng.shuffle(&mut ready);
        for (nth, &at) in ready.iter().enumerate() {
            let registration = registrations.get_mut(at);
            // The first is always reported, so that no wait withholds everything.
            let may_withhold = nth > 0 && registration.withheld < Sim::MAX_WITHHELD;
            if may_withhold && self.rng.u8(..4) == 0 {
                registration.withheld += 1;
                continue;
            }
            events.push(Event {
                token: registration.token,
                ready: registration.ready(),
            });
            registration.pending = Ready::NONE;
            registration.withheld = 0;
        }
        if self.rng.u8(..8) == 0 && registrations.len() > 0 {
            self.add_spurious(registrations, events);
        }
    }

    /// Inserts a spurious event at a random position.
    fn add_spurious(&mut self, registrations: &FdTable<Registration>, events: &mut Vec<Event>) {
        let at = self.rng.usize(..registrations.len());
        let registration = registrations.get(at);
        let choices: Vec<Ready> = [
            (Interest::READ, Ready::READ),
            (Interest::WRITE, Ready::WRITE),
        ]
        .into_iter()
        .filter(|&(direction, _)| registration.interest.contains(direction))
        .map(|(_, ready)| ready)
        .collect();
        if !registration.ready().is_empty() || !is_open(registrations.fd(at)) {
            return;
        }
        if let Some(&ready) = self.rng.choice(&choices) {
            let token = registration.token;
            let position = self.rng.usize(..=events.len());
            events.insert(position, Event { token, ready });
        }
    }
}

/// Returns the part of `ready` that is reported to a descriptor registered for `interest`.
pub(super) fn within(mut ready: Ready, interest: Interest) -> Ready {
    for (direction, bits) in [
        (Interest::READ, Ready::READ | Ready::READ_CLOSED),
        (Interest::WRITE, Ready::WRITE),
        (Interest::PRIORITY, Ready::PRIORITY),
    ] {
        if !interest.contains(direction) {
            ready = ready.without(bits);
        }
    }
    ready
}
