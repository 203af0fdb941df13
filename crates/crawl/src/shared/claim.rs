//! One claim: what has happened is told, and what may be sent now is handed to the workers.

use std::time::{Duration, Instant};

use switchboard_redis::{Reply, text};

use super::batch::What;
use super::call::Trouble;
use super::link::Script;
use super::record;
use super::{POLL, Sharer};
use crate::address::Address;
use crate::fate::Fate;
use crate::job::{Job, RobotsTask, Task};
use crate::robots::Robots;
use crate::store::Entry;

/// What a session holds.
pub(super) struct Claim {
    /// Its number, which never comes again.
    pub(super) number: u64,
    /// Of an errand, the host whose rules are asked for.
    pub(super) of: String,
}

/// A claim that nobody works on yet.
pub(super) struct Arrived {
    pub(super) claim: Claim,
    task: Task,
    timed: bool,
    /// Pages of its host are not tried any more.
    is_given_up: bool,
    /// When the rules of its host were learned; empty for an errand, and where none are obeyed.
    learned: String,
}

impl Arrived {
    /// Returns whose rules it obeys, and when they were learned.
    fn rules(&self) -> Option<(&str, &str)> {
        match &self.task {
            Task::Page(entry) if !self.learned.is_empty() => {
                Some((entry.address.origin(), &self.learned))
            }
            _ => None,
        }
    }
}

impl Sharer {
    /// Tells what has happened, and claims as much as the workers can do.
    pub(super) async fn claim(&mut self) -> Result<(), Trouble> {
        let wanted = self.wanted();
        self.turn(wanted).await?;
        self.hungry = self.arrived.len() < wanted;
        if !self.given_back.is_empty() {
            self.tell().await?;
            self.give_back(false).await?;
        }
        self.learn_rules().await?;
        for arrived in std::mem::take(&mut self.arrived) {
            self.begin(arrived);
        }
        Ok(())
    }

    /// Tells all that has happened, with what comes while Redis is away: once a claim is given back or acknowledged, its
    /// events no longer change when its host may be asked.
    pub(super) async fn tell(&mut self) -> Result<(), Trouble> {
        while !self.events.is_empty() {
            self.turn(0).await?;
        }
        Ok(())
    }

    /// Tells how requests have begun and ended, and claims `wanted` at most.
    async fn turn(&mut self, wanted: usize) -> Result<(), Trouble> {
        let at = Instant::now();
        let mut args = vec![wanted.to_string()];
        for event in &self.events {
            let (kind, number) = match event.what {
                What::Started(at) => ("S", millis(at.elapsed())),
                What::AnsweredWell => ("w", "0".to_owned()),
                What::SlowDown(wait) => ("s", wait.map_or("-1".to_owned(), millis)),
                What::Unreachable => ("x", "0".to_owned()),
                What::Ended => ("n", "0".to_owned()),
                What::Unused => ("u", "0".to_owned()),
            };
            args.extend([kind.to_owned(), event.claim.to_string(), number]);
        }
        let told = self.events.len();
        let parts = self.call(Script::Claim, args).await?;
        self.events.drain(..told.min(self.events.len()));
        let parts: [Reply; 5] = parts
            .try_into()
            .map_err(|_| self.broken("a claim lacks parts"))?;
        let [next_in, level, widened, totals, claims] = parts;
        self.take_totals(totals);
        self.level = text(level).parse().unwrap_or(0);
        let (Reply::Array(claims), next_in) = (claims, text(next_in)) else {
            return Err(self.broken("a claim has no list").into());
        };
        for claim in claims {
            let arrived = arrived(claim).ok_or_else(|| self.broken("a claim cannot be read"))?;
            self.arrived.push(arrived);
        }
        if self.arrived.len() < wanted {
            // What is ready and was not claimed is for others, or behind the number of pages.
            let next_in = next_in.parse().map_or(POLL, |millis| match millis {
                0 => POLL / 2,
                millis => Duration::from_millis(millis),
            });
            self.claim_at = at + next_in.min(POLL);
        }
        let widened = text(widened).parse().unwrap_or(0);
        if widened > self.widened {
            self.widen(widened).await?;
        }
        Ok(())
    }

    fn take_totals(&mut self, totals: Reply) {
        let Reply::Array(totals) = totals else {
            return;
        };
        let numbers: Vec<u64> = totals
            .into_iter()
            .map(|it| text(it).parse().unwrap_or(0))
            .collect();
        let [
            f0,
            f1,
            f2,
            f3,
            f4,
            f5,
            f6,
            redirects,
            requests,
            robots,
            bytes,
            hosts,
            held,
            millis,
        ] = numbers[..]
        else {
            return;
        };
        self.totals.fates = [f0, f1, f2, f3, f4, f5, f6];
        (self.totals.redirects, self.totals.requests) = (redirects, requests);
        (self.totals.robots_requests, self.totals.bytes) = (robots, bytes);
        self.totals.millis = millis;
        self.counts = (usize::try_from(hosts).unwrap_or(usize::MAX), held);
        self.stale = false;
    }

    /// Learns what other processes have added to the scope.
    async fn widen(&mut self, to: u64) -> Result<(), Trouble> {
        let key = format!("{}scope", self.joined.prefix);
        let from = self.widened.to_string();
        let added = self.look(&["LRANGE", &key, &from, "-1"]).await?;
        if let Reply::Array(added) = added {
            let added = added.into_iter().map(text);
            let added: Vec<Address> = added.flat_map(|it| Address::parse(&it)).collect();
            added.iter().for_each(|address| self.widen_by(address));
        }
        self.widened = to;
        Ok(())
    }

    /// Lets the scope grow with where a seed leads. What was out of it is looked at again when it is found again.
    pub(super) fn widen_by(&mut self, address: &Address) {
        if self.scope.add(address) {
            self.recent.clear();
        }
    }

    /// Gives back what waits for it; all there is if the process leaves.
    pub(super) async fn give_back(&mut self, leaves: bool) -> Result<(), Trouble> {
        let mut args = vec![u8::from(leaves).to_string()];
        for back in &self.given_back {
            args.extend([back.claim.to_string(), millis(back.pause)]);
            args.extend([back.payload.clone(), back.record.clone()]);
        }
        let given = self.given_back.len();
        self.call(Script::GiveBack, args).await?;
        self.given_back.drain(..given);
        // What is tried again at once may be claimed at once.
        self.claim_at = self.claim_at.min(Instant::now());
        Ok(())
    }

    /// Reads the rules of hosts of which pages have come.
    async fn learn_rules(&mut self) -> Result<(), Trouble> {
        let wanted: Vec<(&str, &str)> = self.arrived.iter().filter_map(Arrived::rules).collect();
        for (origin, learned) in self.rules.missing(wanted.into_iter()) {
            let key = format!("{}h:{origin}", self.joined.prefix);
            let robots = text(self.look(&["HGET", &key, "robots"]).await?);
            self.rules.learn(origin, learned, Robots::stored(&robots));
        }
        Ok(())
    }

    /// Hands a claim to a worker, or decides upon it without a request.
    fn begin(&mut self, arrived: Arrived) {
        let Arrived {
            claim,
            task,
            timed,
            is_given_up,
            learned,
        } = arrived;
        if let Task::Page(entry) = &task {
            let rules = self.rules.of(entry.address.origin());
            let rules = rules.filter(|_| !learned.is_empty());
            let refusal = rules.and_then(|rules| rules.refusal(entry.address.path_and_query()));
            let (fate, why) = match (refusal, is_given_up) {
                (Some(why), _) => (Fate::Robots, why.into_owned()),
                (None, true) => {
                    let why = "unreachable: others of this host were not either";
                    (Fate::Failed, why.to_owned())
                }
                (None, false) => return self.send(claim, task, timed),
            };
            self.event(claim.number, What::Unused);
            let entry: Entry = entry.clone();
            return self.settle(claim.number, &entry, fate, 0, &why);
        }
        self.send(claim, task, timed);
    }

    fn send(&mut self, claim: Claim, task: Task, timed: bool) {
        let number = self.next_job;
        self.next_job = self.next_job.wrapping_add(1);
        self.claims.insert(number, claim);
        self.busy += 1;
        let job = Job {
            host: number,
            task,
            timed,
            until: Some(self.renewed + self.shared.lease * 9 / 10),
        };
        // There is a place for each worker's job. Without workers, news of that are under way.
        let _ = self.jobs.try_send(job);
    }
}

/// Reads a claim: its number, its kind, two flags, when the rules were learned, its payload, its record.
fn arrived(reply: Reply) -> Option<Arrived> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    let texts: Vec<String> = parts.into_iter().map(text).collect();
    let [number, kind, timed, given_up, learned, payload, record] = &texts[..] else {
        return None;
    };
    let mut of = String::new();
    let task = match &**kind {
        "p" => Task::Page(record::entry(payload, record)?),
        _ => {
            let words: Vec<&str> = payload.split(' ').collect();
            let [origin, hops, tries, waits, address] = words[..] else {
                return None;
            };
            of = origin.to_owned();
            Task::Robots(RobotsTask {
                of: 0,
                address: Address::parse(address).ok()?,
                hops: hops.parse().ok()?,
                tries: tries.parse().ok()?,
                waits: waits.parse().ok()?,
            })
        }
    };
    let number = number.parse().ok()?;
    Some(Arrived {
        claim: Claim { number, of },
        task,
        timed: timed == "1",
        is_given_up: given_up == "1",
        learned: learned.clone(),
    })
}

/// Returns the text of a payload that is an errand.
pub(super) fn errand(of: &str, task: &RobotsTask) -> String {
    let RobotsTask {
        address,
        hops,
        tries,
        waits,
        ..
    } = task;
    format!("{of} {hops} {tries} {waits} {address}")
}

pub(super) fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// The number of a fate, as the scripts have it.
pub(super) fn fate_number(fate: Fate) -> String {
    (fate as u8).to_string()
}
