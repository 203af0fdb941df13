//! What becomes of an address that was found, and of a page that was asked for.

use super::again::Again;
use super::batch::Found;
use crate::address::Address;
use crate::check::Check;
use crate::fate::Fate;
use crate::job::End;
use crate::robots::Robots;
use crate::scope::Scope;
use crate::store::take;
use crate::traps::Traps;

/// The rules by which an address that is new gets its first fate.
pub(crate) struct Judge<'k> {
    pub(crate) scope: &'k Scope,
    pub(crate) traps: &'k mut Traps,
    pub(crate) depth: Option<u32>,
    pub(crate) check: Option<Check>,
}

impl Judge<'_> {
    /// Returns the first fate of an address, and why.
    pub(crate) fn judge(&mut self, found: &Found) -> (Fate, String) {
        let Found { address, depth, .. } = found;
        let take = self.take(found);
        if take == take::OUTSIDE && self.check != Some(Check::All) {
            return (Fate::Scope, String::new());
        }
        // What is not followed has no end of its own, unless it is a redirect.
        if take != take::PAGE && found.hops == 0 && self.check.is_some() {
            return (Fate::Pending, String::new());
        }
        if let Some(trap) = self.traps.look(address, found.hops.into()) {
            return (Fate::Trap, format!("{}: {trap}", trap.name()));
        }
        match self.depth {
            Some(most) if *depth > most && self.check.is_none() => (Fate::Depth, String::new()),
            _ => (Fate::Pending, String::new()),
        }
    }

    /// Whether an address that lay out of the scope lies in it now, since a redirect of a seed has widened it.
    pub(crate) fn has_come_in(&self, address: &Address) -> bool {
        self.scope.has_grown() && self.scope.contains(address)
    }

    /// How an address is taken.
    pub(crate) fn take(&self, found: &Found) -> u8 {
        if found.parent.is_some() && !self.scope.contains(&found.address) {
            return take::OUTSIDE;
        }
        match self.depth {
            Some(most) if found.depth > most => take::DEEPER,
            _ => take::PAGE,
        }
    }
}

impl End {
    /// Returns the fate of a page that was asked for and is not asked for again, its status, and the cause.
    pub(crate) fn fate(&self) -> (Fate, u16, String) {
        match self {
            End::Answered { status, .. } if (200..300).contains(status) => {
                (Fate::Fetched, *status, String::new())
            }
            End::Answered { status, .. } => (Fate::Failed, *status, format!("status {status}")),
            End::Moved { status, to: Ok(to) } => (Fate::Fetched, *status, format!("to {to}")),
            End::Moved {
                status,
                to: Err(why),
            } => (Fate::Failed, *status, format!("redirect: {why}")),
            End::Failed { status, cause, .. } => (Fate::Failed, *status, cause.clone()),
        }
    }

    /// Whether another try may succeed.
    pub(crate) fn again(&self) -> Again {
        match self {
            // A server that is down says so by 503, too.
            End::Answered {
                status: 503,
                retry_after: None,
                ..
            } => Again::Failed,
            End::Answered {
                status: 429 | 503, ..
            } => Again::Asked,
            End::Answered {
                status: 408 | 425 | 500 | 502 | 504,
                ..
            }
            | End::Failed { again: true, .. } => Again::Failed,
            End::Answered { .. } | End::Moved { .. } | End::Failed { again: false, .. } => {
                Again::Never
            }
        }
    }

    /// Returns what the end of a request for robots.txt says, after `hops` redirects. What a check cannot ask for is
    /// allowed: it asks for the page then, and so learns what is wrong with the host.
    pub(crate) fn rules(self, hops: u8, agent: &str, is_check: bool) -> Rulings {
        let is_answered = !matches!(self, End::Failed { .. });
        let robots = match self {
            // What asks for fewer requests says nothing of what is allowed.
            End::Answered { status: 429, .. } => Robots::unreachable(),
            End::Answered { status, text, .. } => {
                let text = text.as_deref().unwrap_or_default();
                Robots::of_answer(status, text, agent)
            }
            End::Moved { to: Ok(to), .. } if u32::from(hops) < Robots::REDIRECTS => {
                return Rulings::Elsewhere(to);
            }
            End::Moved { status, .. } => Robots::of_answer(status, b"", agent),
            End::Failed { status: 0, .. } if is_check => Robots::of_answer(404, b"", agent),
            End::Failed { .. } => Robots::unreachable(),
        };
        Rulings::Are {
            // What cannot be fetched is asked for again by the next run.
            lasts: is_answered && robots != Robots::unreachable(),
            robots,
        }
    }
}

/// What robots.txt says.
pub(crate) enum Rulings {
    Are {
        robots: Robots,
        /// Whether they count for as long as an answer does.
        lasts: bool,
    },
    /// They are at another address.
    Elsewhere(Address),
}
