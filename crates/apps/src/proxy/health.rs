//! Whether a back end may be used: what its checks and its connections say, on a clock that is passed in.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stands for a time that never comes, while checks find the back end down.
const NEVER: u64 = u64::MAX;

/// When a back end goes down, and when it comes back.
///
/// ```
/// use switchboard_apps::proxy::HealthRules;
///
/// assert_eq!((HealthRules::default().fall, HealthRules::default().rise), (3, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// How many checks in a row must fail before the back end is down: 3. The very first one is enough.
    pub fall: u32,
    /// How many checks in a row must succeed before it is up again: 2.
    pub rise: u32,
    /// How many connections or requests in a row must fail before the back end is left out for a time,
    /// whatever its checks say: 3.
    pub failures: u32,
    /// How long it is left out at first: 1 s. The time doubles each time it fails again right after.
    pub ejection: Duration,
    /// The longest time for which it is left out: 30 s.
    pub longest_ejection: Duration,
}

impl Default for HealthRules {
    fn default() -> HealthRules {
        HealthRules {
            fall: 3,
            rise: 2,
            failures: 3,
            ejection: Duration::from_secs(1),
            longest_ejection: Duration::from_secs(30),
        }
    }
}

/// A change that an operator should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Its checks find it up again.
    Up,
    /// Its checks find it down.
    Down,
    /// It is left out for a time after failures.
    Ejected(Duration),
    /// It has answered again after it was left out.
    Answers,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Up => f.write_str("is up"),
            Change::Down => f.write_str("is down"),
            Change::Ejected(time) => write!(f, "fails and is left out for {time:?}"),
            Change::Answers => f.write_str("answers again"),
        }
    }
}

/// The health of one back end, which all workers read. Only changes take the lock.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// The millisecond from which on the back end may be used.
    usable_from: AtomicU64,
    /// Connections and requests in a row that failed.
    failures: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_down: bool,
    was_checked: bool,
    /// Checks in a row that contradict `is_down`.
    contradictions: u32,
    /// Ejections in a row.
    ejections: u32,
    ejected_until: u64,
}

impl Health {
    /// Returns whether the back end may be used at a millisecond of the clock.
    pub(crate) fn is_usable(&self, now: u64) -> bool {
        self.usable_from.load(Ordering::Relaxed) <= now
    }

    /// Notes the result of a check.
    pub(crate) fn checked(&self, is_well: bool, rules: &HealthRules) -> Option<Change> {
        let mut state = self.state();
        let first = !std::mem::replace(&mut state.was_checked, true);
        if is_well != state.is_down {
            state.contradictions = 0;
            return None;
        }
        state.contradictions += 1;
        let needed = if is_well { rules.rise } else { rules.fall };
        if state.contradictions < needed && !first {
            return None;
        }
        state.contradictions = 0;
        state.is_down = !is_well;
        if is_well {
            // It starts anew: the failures were those of the time before.
            (state.ejections, state.ejected_until) = (0, 0);
            self.failures.store(0, Ordering::Relaxed);
        }
        self.publish(&state);
        Some(if is_well { Change::Up } else { Change::Down })
    }

    /// Forgets what checks have found, where there are none any more.
    pub(crate) fn forget_checks(&self) {
        let mut state = self.state();
        (state.is_down, state.was_checked, state.contradictions) = (false, false, 0);
        self.publish(&state);
    }

    /// Notes that a connection or a request failed by the back end's fault.
    pub(crate) fn failed(&self, now: u64, rules: &HealthRules) -> Option<Change> {
        let failures = self
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures < rules.failures {
            return None;
        }
        let mut state = self.state();
        if now < state.ejected_until {
            // This one began before the back end was left out.
            return None;
        }
        let doubled = rules.ejection.saturating_mul(1 << state.ejections.min(20));
        let time = doubled.min(rules.longest_ejection);
        state.ejections += 1;
        state.ejected_until = now.saturating_add(time.as_millis() as u64);
        self.publish(&state);
        Some(Change::Ejected(time))
    }

    /// Notes that the back end did what it was asked for.
    pub(crate) fn succeeded(&self, now: u64) -> Option<Change> {
        if self.failures.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut state = self.state();
        if now < state.ejected_until {
            return None;
        }
        self.failures.store(0, Ordering::Relaxed);
        let was_ejected = std::mem::replace(&mut state.ejections, 0) > 0;
        was_ejected.then_some(Change::Answers)
    }

    fn publish(&self, state: &State) {
        let from = if state.is_down {
            NEVER
        } else {
            state.ejected_until
        };
        self.usable_from.store(from, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: fn() -> HealthRules = HealthRules::default;

    fn check(health: &Health, results: &[bool]) -> Vec<Option<Change>> {
        let rules = RULES();
        results
            .iter()
            .map(|&it| health.checked(it, &rules))
            .collect()
    }

    #[test]
    fn checks_fall_at_the_third_failure_and_rise_at_the_second_success() {
        let health = Health::default();
        assert_eq!(
            check(&health, &[true, false, false, true, false, false]),
            [None; 6]
        );
        assert!(health.is_usable(0));
        assert_eq!(check(&health, &[false]), [Some(Change::Down)]);
        assert!(!health.is_usable(u64::MAX - 1));
        assert_eq!(check(&health, &[false, true, false, true]), [None; 4]);
        assert_eq!(check(&health, &[true]), [Some(Change::Up)]);
        assert!(health.is_usable(0));
    }

    #[test]
    fn the_first_check_is_enough_to_find_a_back_end_down() {
        let health = Health::default();
        assert_eq!(
            check(&health, &[false, true, true]),
            [Some(Change::Down), None, Some(Change::Up)]
        );
    }

    #[test]
    fn ejections_double_up_to_their_limit_and_end_with_a_success() {
        let (health, rules) = (Health::default(), RULES());
        assert_eq!(health.failed(0, &rules), None);
        assert_eq!(health.failed(0, &rules), None);
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let time = Duration::from_secs(seconds);
            assert_eq!(health.failed(now, &rules), Some(Change::Ejected(time)));
            assert_eq!(
                health.failed(now + 1, &rules),
                None,
                "it is left out already"
            );
            assert_eq!(health.succeeded(now + 1), None, "an answer from before");
            now += seconds * 1000;
            assert!(!health.is_usable(now - 1));
            assert!(health.is_usable(now));
        }
        assert_eq!(health.succeeded(now), Some(Change::Answers));
        assert_eq!(health.succeeded(now), None);
        assert_eq!(health.failed(now, &rules), None, "it starts anew");
    }

    #[test]
    fn a_success_between_two_failures_forgives_the_first() {
        let (health, rules) = (Health::default(), RULES());
        for now in 0..100 {
            assert_eq!(health.failed(now, &rules), None);
            assert_eq!(health.failed(now, &rules), None);
            assert_eq!(health.succeeded(now), None);
        }
    }

    #[test]
    fn checks_that_find_a_back_end_up_again_end_its_ejection() {
        let (health, rules) = (Health::default(), RULES());
        for _ in 0..3 {
            health.failed(0, &rules);
        }
        assert!(!health.is_usable(999));
        assert_eq!(
            check(&health, &[false, true, true]).last(),
            Some(&Some(Change::Up))
        );
        assert!(health.is_usable(0));
    }
}
