//! The choice, by arithmetic with measured figures.

use serde::{Deserialize, Serialize};

use super::costs::{Cost, Costs};
use super::demand::Demand;
use super::words::{number, share};
use crate::unit;

/// The share of the memory, of a core and of a limit that a server should use at most: the rest is for bursts.
pub(super) const MEMORY_USED: f64 = 0.8;
pub(super) const CORE_USED: f64 = 0.7;
pub(super) const LIMIT_USED: f64 = 0.8;

/// Processor times within this factor are equal: one would not notice.
pub(super) const EQUAL: f64 = 1.05;

/// A computation that holds a loop for longer is felt by all its other connections.
const HOLD: f64 = 0.001;

/// What is chosen among equals, the simplest first: threads need no async code and no care for what blocks.
const SIMPLEST: [&str; 5] = [
    "threads",
    "tasks/epoll",
    "tasks/portable",
    "green",
    "tasks/uring",
];

/// What to run for a workload, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Whether the machine does all of it.
    pub fits: bool,
    /// What to run, one sentence.
    pub run: String,
    /// The model, if any fits: `tasks`.
    pub model: Option<String>,
    /// The driver, if the model has one: `epoll`.
    pub driver: Option<String>,
    /// Workers, for a model with a loop.
    pub workers: Option<u64>,
    /// Threads, if each request under way has one: those of a pool, or of `run_blocking`.
    pub pool: Option<u64>,
    /// The reasoning, one line each, with its arithmetic.
    pub because: Vec<String>,
    /// What would change the answer, one sentence each.
    pub changes: Vec<String>,
}

/// One model against the demand.
pub(super) struct Candidate<'a> {
    pub(super) cost: &'a Cost,
    /// Bytes of all connections.
    pub(super) memory: f64,
    /// Processor time of a request, with the model's.
    pub(super) request: f64,
    /// Why it does not do.
    pub(super) lacks: Option<String>,
}

/// Recommends what to run. The demand must have passed [`Demand::check`].
pub fn recommend(demand: &Demand, costs: &Costs) -> Advice {
    let sizes = Sizes::of(demand, costs);
    let candidates: Vec<Candidate> = costs
        .rows
        .iter()
        .map(|cost| sizes.candidate(cost))
        .collect();
    let mut advice = Advice {
        because: sizes.load_lines(),
        ..Advice::default()
    };
    for candidate in &candidates {
        advice.because.push(sizes.line(candidate));
    }
    let fitting: Vec<&Candidate> = candidates
        .iter()
        .filter(|each| each.lacks.is_none())
        .collect();
    let cheapest = fitting
        .iter()
        .min_by(|a, b| a.request.total_cmp(&b.request));
    let Some(cheapest) = cheapest else {
        advice.run = sizes.refusal(&candidates);
        advice.changes = sizes.changes(&candidates, None);
        return advice;
    };
    let equal = fitting.iter().filter(|each| {
        let differs = each.cost.trip.differs_from(&cheapest.cost.trip);
        each.request <= cheapest.request * EQUAL || !differs
    });
    let rank = |each: &&&Candidate| {
        let name = each.cost.row.as_str();
        let known = SIMPLEST.iter().position(|simple| name.starts_with(simple));
        known.unwrap_or(SIMPLEST.len())
    };
    let chosen = equal.min_by_key(rank).unwrap_or(cheapest);
    sizes.choose(&mut advice, chosen, cheapest);
    advice.changes = sizes.changes(&candidates, Some(chosen));
    advice
}

/// The demand beside the machine.
pub(super) struct Sizes<'a> {
    pub(super) demand: &'a Demand,
    pub(super) costs: &'a Costs,
    pub(super) memory: f64,
    pub(super) cores: f64,
}

impl<'a> Sizes<'a> {
    fn of(demand: &'a Demand, costs: &'a Costs) -> Sizes<'a> {
        let limits = &costs.machine.limits;
        let machine = Some(costs.machine.memory_bytes).filter(|bytes| *bytes > 0);
        let here = [machine, limits.group_memory_bytes]
            .into_iter()
            .flatten()
            .min();
        let memory = demand.memory_bytes.or(here);
        let cores = costs.machine.cores.max(1) as f64;
        Sizes {
            demand,
            costs,
            // A system that does not report its memory sets no limit.
            memory: memory.map_or(f64::INFINITY, |bytes| bytes as f64),
            cores: limits.group_cores.map_or(cores, |group| group.min(cores)),
        }
    }

    fn candidate(&self, cost: &'a Cost) -> Candidate<'a> {
        let connections = self.demand.connections as f64;
        let memory = connections * cost.bytes.median().max(0.0);
        let request = self.demand.cpu_s + cost.trip.median();
        let cores = self.demand.rate() * request;
        let lacks = if connections > cost.most as f64 * LIMIT_USED {
            Some(format!(
                "{} of {} at most ({}), and {} of them should be used",
                unit::number(self.demand.connections as f64),
                unit::number(cost.most as f64),
                cost.limit,
                share(LIMIT_USED)
            ))
        } else if memory > self.memory * MEMORY_USED {
            Some(format!("more than {} of the memory", share(MEMORY_USED)))
        } else if cores > self.cores {
            Some(format!(
                "needs {} cores of {}",
                number(cores),
                number(self.cores)
            ))
        } else {
            None
        };
        Candidate {
            cost,
            memory,
            request,
            lacks,
        }
    }

    fn load_lines(&self) -> Vec<String> {
        let Demand {
            connections,
            active,
            service_s,
            cpu_s,
            ..
        } = *self.demand;
        let (under_way, rate) = (self.demand.under_way(), self.demand.rate());
        vec![
            format!(
                "{} connections × {} active = {} requests under way at once",
                unit::number(connections as f64),
                share(active),
                number(under_way)
            ),
            format!(
                "{} under way ÷ {} each = {} requests a second (Little's law)",
                number(under_way),
                unit::seconds(service_s),
                number(rate)
            ),
            format!(
                "{} a second × {} = {} of {} cores, without what the model costs; a request waits for {} of its time",
                number(rate),
                unit::seconds(cpu_s),
                number(rate * cpu_s),
                number(self.cores),
                share(1.0 - cpu_s / service_s)
            ),
        ]
    }

    /// Returns the sentence that says that nothing does it.
    fn refusal(&self, candidates: &[Candidate]) -> String {
        let least = candidates
            .iter()
            .map(|each| each.request)
            .fold(f64::INFINITY, f64::min);
        let cores = least * self.demand.rate();
        let why = match cores > self.cores && cores.is_finite() {
            true => format!(
                "it needs {} cores, and there are {}",
                number(cores),
                number(self.cores)
            ),
            false => "below is what each lacks".to_owned(),
        };
        format!("no model of this machine does it in one process: {why}")
    }

    /// Returns the line of a model: memory, processor, limit.
    fn line(&self, each: &Candidate) -> String {
        let rate = self.demand.rate();
        let end = match &each.lacks {
            Some(lacks) => format!("does not do: {lacks}"),
            None => "does".to_owned(),
        };
        format!(
            "{}: {} × {} = {} of {}; {} × ({} + {}) = {} cores: {end}",
            each.cost.row,
            unit::number(self.demand.connections as f64),
            unit::bytes(each.cost.bytes.median()),
            unit::bytes(each.memory),
            unit::bytes(self.memory),
            number(rate),
            unit::seconds(self.demand.cpu_s),
            unit::seconds(each.cost.trip.median()),
            number(rate * each.request)
        )
    }

    fn choose(&self, advice: &mut Advice, chosen: &Candidate, cheapest: &Candidate) {
        let (model, driver) = match chosen.cost.row.split_once('/') {
            Some((model, driver)) => (model, Some(driver)),
            None => (chosen.cost.row.as_str(), None),
        };
        advice.fits = true;
        advice.model = Some(model.to_owned());
        advice.driver = driver.map(str::to_owned);
        let cores = self.demand.rate() * chosen.request;
        let mut run = format!("run `--model {model}");
        if chosen.cost.row == cheapest.cost.row {
            advice.because.push(format!(
                "{} takes the least processor time for a request, {}",
                chosen.cost.row,
                unit::seconds(chosen.request)
            ));
        } else {
            advice.because.push(format!(
                "{} takes {} for a request and {}, the least, {}: a difference of {}, below {} or inside the noise; so \
                 the simpler one",
                chosen.cost.row,
                unit::seconds(chosen.request),
                cheapest.cost.row,
                unit::seconds(cheapest.request),
                share(chosen.request / cheapest.request - 1.0),
                share(EQUAL - 1.0)
            ));
        }
        if let Some(driver) = driver {
            let workers = (cores / CORE_USED).ceil().clamp(1.0, self.cores.ceil());
            advice.workers = Some(workers as u64);
            advice.because.push(format!(
                "{} cores ÷ {} used of each = {}: {} of {} cores as workers",
                number(cores),
                share(CORE_USED),
                number(cores / CORE_USED),
                number(workers),
                number(self.cores)
            ));
            run += &format!(" --driver {driver} --workers {}", number(workers));
        }
        run += "`";
        if cores > self.cores * CORE_USED {
            advice.because.push(format!(
                "{} cores are {} of all: requests queue behind each other, and their time grows beyond {}",
                number(cores),
                share(cores / self.cores),
                unit::seconds(self.demand.service_s)
            ));
        }
        self.size_pool(advice, driver.is_some(), &mut run);
        advice.run = run;
    }

    /// Sizes what blocks: a pool's threads, or those of `run_blocking` beside a loop.
    fn size_pool(&self, advice: &mut Advice, has_loop: bool, run: &mut String) {
        let under_way = self.demand.under_way();
        let pool = (under_way + 2.0 * under_way.sqrt()).ceil();
        let law = format!(
            "{} under way + 2 × √{} for bursts = {} threads",
            number(under_way),
            number(under_way),
            number(pool)
        );
        if !has_loop {
            advice.pool = Some(pool as u64);
            advice.because.push(format!(
                "a pool, if what a request waits for is to be limited (connections to a data base): {law}"
            ));
            return;
        }
        let (computes, offloaded) = (self.demand.cpu_s, self.costs.offload_s);
        if computes > HOLD {
            advice.because.push(format!(
                "a request computes for {}, which would hold the loop for longer than {}: in `run_blocking`, whose hand-over \
                 takes {} more; as many threads as cores compute",
                unit::seconds(computes),
                unit::seconds(HOLD),
                unit::seconds(offloaded)
            ));
            *run += ", and compute in `run_blocking`";
        }
        let most = self.costs.offload_threads;
        let enough = if pool <= most as f64 {
            "enough"
        } else {
            "too few"
        };
        advice.pool = Some(pool as u64);
        advice.because.push(format!(
            "should requests wait in calls that block (a driver of a data base): {law}; `run_blocking` has {most} here, {enough}"
        ));
    }
}

#[cfg(test)]
mod tests;
