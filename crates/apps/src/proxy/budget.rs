//! How many retries a pool may make, so that a back end in trouble is not asked ever more often.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What one retry costs.
const RETRY: i64 = 1000;
/// The most that is kept, a hundred retries.
const MOST: i64 = 100 * RETRY;

/// A budget of retries: each request pays in a share of one, and each second some more come.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    /// What a request pays in.
    share: i64,
    /// What a millisecond pays in.
    rate: i64,
    balance: AtomicI64,
    /// The millisecond up to which time has paid.
    paid_until: AtomicU64,
}

impl RetryBudget {
    /// Returns a budget of `percent` retries for a hundred requests, and `per_second` more. It begins with
    /// what one second pays in.
    pub(crate) fn new(percent: u32, per_second: u32) -> RetryBudget {
        RetryBudget {
            share: i64::from(percent) * RETRY / 100,
            rate: i64::from(per_second) * RETRY / 1000,
            balance: AtomicI64::new(i64::from(per_second) * RETRY),
            paid_until: AtomicU64::new(0),
        }
    }

    /// Notes a request.
    pub(crate) fn request(&self) {
        if self.balance.load(Ordering::Relaxed) < MOST {
            self.balance.fetch_add(self.share, Ordering::Relaxed);
        }
    }

    /// Takes one retry, and returns whether there was one.
    pub(crate) fn take(&self, now: u64) -> bool {
        let since = self.paid_until.fetch_max(now, Ordering::Relaxed);
        let passed = now.saturating_sub(since).min(i64::MAX as u64 / 1_000_000) as i64;
        let paid = |balance: i64| (balance + passed * self.rate).min(MOST.max(balance));
        let take = |balance: i64| {
            let balance = paid(balance);
            Some(if balance < RETRY {
                balance
            } else {
                balance - RETRY
            })
        };
        let before = self
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.is_ok_and(|before| paid(before) >= RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(budget: &RetryBudget, now: u64) -> usize {
        (0..10_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn requests_and_time_pay_in() {
        let budget = RetryBudget::new(20, 10);
        assert_eq!(take_all(&budget, 0), 10);
        (0..50).for_each(|_| budget.request());
        assert_eq!(take_all(&budget, 0), 10, "20 % of 50");
        assert_eq!(take_all(&budget, 99), 0);
        assert_eq!(take_all(&budget, 2099), 20, "10 a second");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let budget = RetryBudget::new(20, 10);
        (0..100_000).for_each(|_| budget.request());
        assert_eq!(take_all(&budget, 0), 100);
        assert_eq!(take_all(&budget, 1 << 60), 100);
    }

    #[test]
    fn a_budget_of_nothing_has_no_retry() {
        let budget = RetryBudget::new(0, 0);
        (0..1000).for_each(|_| budget.request());
        assert_eq!(take_all(&budget, 1 << 40), 0);
    }
}
