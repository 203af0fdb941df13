//! What is counted.

use serde::{Deserialize, Serialize};

use crate::experiment::Effort;

/// Something of which a process can have many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Threads of the standard library that are parked.
    Threads,
    /// Forked processes that wait for a pipe.
    Processes,
    /// Green threads that are suspended.
    GreenThreads,
    /// Tasks that wait.
    Tasks,
    /// TCP sockets that are not connected.
    Sockets,
    /// Timers of a loop, an hour away.
    Timers,
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Threads,
        Kind::Processes,
        Kind::GreenThreads,
        Kind::Tasks,
        Kind::Sockets,
        Kind::Timers,
    ];

    /// Returns the name of its row, in the plural.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Threads => "threads",
            Kind::Processes => "processes",
            Kind::GreenThreads => "green threads",
            Kind::Tasks => "tasks",
            Kind::Sockets => "sockets",
            Kind::Timers => "timers",
        }
    }

    /// Returns one of them, with its article.
    pub(crate) fn one(self) -> &'static str {
        match self {
            Kind::Threads => "a thread",
            Kind::Processes => "a process",
            Kind::GreenThreads => "a green thread",
            Kind::Tasks => "a task",
            Kind::Sockets => "a socket",
            Kind::Timers => "a timer",
        }
    }

    /// Returns the most that the experiment makes, whatever the machine would allow.
    pub(crate) fn most(self, effort: Effort) -> u64 {
        let (quick, usual, thorough) = match self {
            Kind::Threads => (2_000, 40_000, 200_000),
            Kind::Processes => (300, 4_000, 10_000),
            Kind::GreenThreads => (20_000, 250_000, 1_000_000),
            Kind::Tasks | Kind::Timers => (100_000, 1_000_000, 5_000_000),
            Kind::Sockets => (30_000, 100_000, 1_000_000),
        };
        match effort {
            Effort::Quick => quick,
            Effort::Usual => usual,
            Effort::Thorough => thorough,
        }
    }

    /// Returns the most seconds that one run may take.
    pub(crate) fn patience(self, effort: Effort) -> u64 {
        match effort {
            Effort::Quick => 10,
            Effort::Usual => 30,
            Effort::Thorough => 120,
        }
    }
}
