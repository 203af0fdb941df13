//! At which figures the advice would be another one.

use super::recommend::{CORE_USED, Candidate, EQUAL, LIMIT_USED, MEMORY_USED, Sizes};
use super::words::{number, share};
use crate::unit;

impl Sizes<'_> {
    /// Returns at which figures the answer would be another one.
    pub(super) fn changes(
        &self,
        candidates: &[Candidate],
        chosen: Option<&Candidate>,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let request = |each: &&Candidate| each.request;
        let least = candidates
            .iter()
            .map(|each| request(&each))
            .fold(f64::INFINITY, f64::min);
        for each in candidates {
            let by_memory = self.memory * MEMORY_USED / each.cost.bytes.median().max(1.0);
            let by_limit = each.cost.most as f64 * LIMIT_USED;
            let (most, why) = match by_memory < by_limit {
                true => (by_memory, "memory"),
                false => (by_limit, each.cost.limit.as_str()),
            };
            let is_chosen = chosen.is_some_and(|it| it.cost.row == each.cost.row);
            if is_chosen {
                lines.push(format!(
                    "{} does up to {} connections ({why})",
                    each.cost.row,
                    unit::number(most.trunc())
                ));
            } else if (self.demand.connections as f64) > most {
                lines.push(format!(
                    "{} would do below {} connections ({why})",
                    each.cost.row,
                    unit::number(most.trunc())
                ));
            }
        }
        if least.is_finite() && least > 0.0 {
            let each = self.demand.active / self.demand.service_s * least;
            let most = self.cores * CORE_USED / each;
            lines.push(format!(
                "{} of all {} cores are used at {} connections of this kind; beyond that, more machines",
                share(CORE_USED),
                number(self.cores),
                unit::number(most.trunc())
            ));
        }
        lines.extend(self.when_waiting_costs(candidates));
        lines
    }

    /// Returns below which computation the price of waiting decides between threads and tasks.
    fn when_waiting_costs(&self, candidates: &[Candidate]) -> Option<String> {
        let of = |name: &str| {
            candidates
                .iter()
                .find(|each| each.cost.row.starts_with(name))
        };
        let (threads, tasks) = (of("threads")?, of("tasks/")?);
        let (dear, cheap) = (threads.cost.trip.median(), tasks.cost.trip.median());
        if dear <= cheap * EQUAL || !threads.cost.trip.differs_from(&tasks.cost.trip) {
            return None;
        }
        // threads + cpu = EQUAL × (tasks + cpu)
        let cpu = (dear - EQUAL * cheap) / (EQUAL - 1.0);
        Some(format!(
            "where a request computes for {} or more, {} ({}) costs within {} of {} ({})",
            unit::seconds(cpu),
            threads.cost.row,
            unit::seconds(dear),
            share(EQUAL - 1.0),
            tasks.cost.row,
            unit::seconds(cheap)
        ))
    }
}
