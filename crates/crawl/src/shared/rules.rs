//! A cache of robots.txt rules, for the hosts of recent claims.

use std::collections::HashMap;

use crate::robots::Robots;

/// The most hosts whose rules are in memory, or those of one claim if they are more.
const MOST: usize = 4096;

/// The rules of hosts, and when each was learned. Those of a host stay at least until the pages are begun for which
/// [`missing`](Rules::missing) was asked.
pub(super) struct Rules {
    known: HashMap<String, (String, Robots)>,
    most: usize,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            known: HashMap::new(),
            most: MOST,
        }
    }
}

impl Rules {
    /// Returns which of the wanted rules have to be read, each once: the hosts, and when their rules were learned.
    pub(super) fn missing<'w>(
        &mut self,
        wanted: impl Iterator<Item = (&'w str, &'w str)> + Clone,
    ) -> Vec<(String, String)> {
        let missing = self.unknown(wanted.clone());
        if self.known.len() + missing.len() <= self.most {
            return missing;
        }
        // None is forgotten that is not read again.
        self.known.clear();
        self.unknown(wanted)
    }

    fn unknown<'w>(
        &self,
        wanted: impl Iterator<Item = (&'w str, &'w str)>,
    ) -> Vec<(String, String)> {
        let mut missing: Vec<(String, String)> = Vec::new();
        for (origin, learned) in wanted {
            let known = self.known.get(origin);
            let is_known = known.is_some_and(|(at, _)| at == learned);
            let is_asked = missing.iter().any(|(other, _)| other == origin);
            if !is_known && !is_asked {
                missing.push((origin.to_owned(), learned.to_owned()));
            }
        }
        missing
    }

    pub(super) fn learn(&mut self, origin: String, learned: String, robots: Robots) {
        self.known.insert(origin, (learned, robots));
    }

    pub(super) fn of(&self, origin: &str) -> Option<&Robots> {
        self.known.get(origin).map(|(_, robots)| robots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_are_wanted_are_known_whatever_was_forgotten() {
        let mut rules = Rules {
            most: 3,
            ..Rules::default()
        };
        let mut read = 0;
        for wanted in [&["a", "b"][..], &["b", "c"], &["a", "d"], &["d", "d"]] {
            let wanted = wanted.iter().map(|origin| (*origin, "1"));
            for (origin, learned) in rules.missing(wanted.clone()) {
                rules.learn(origin, learned, Robots::unreachable());
                read += 1;
            }
            for (origin, _) in wanted {
                assert!(rules.of(origin).is_some(), "{origin}");
            }
            assert!(rules.known.len() <= 3);
        }
        assert_eq!(read, 5);
        assert_eq!(rules.missing([("d", "2")].into_iter()).len(), 1);
    }
}
