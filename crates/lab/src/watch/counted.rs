//! What the kernel counts: the time of cores, and of the processes of others.

use std::collections::HashMap;
use std::fs;

/// The processes of others: name and ticks by id.
pub(super) type Others = HashMap<u32, (String, u64)>;

/// Time of the cores that this process may use, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) busy: u64,
    pub(super) steal: u64,
}

/// Adds up the lines of `/proc/stat` of these cores. Interrupts are left out: the kernel may count the network's for
/// nobody.
pub(super) fn counted(text: &str, cores: &[usize]) -> Counted {
    let mut sum = Counted::default();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let core = fields
            .next()
            .and_then(|name| name.strip_prefix("cpu")?.parse::<usize>().ok());
        if !core.is_some_and(|core| cores.contains(&core)) {
            continue;
        }
        let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
        let of = |at: usize| ticks.get(at).copied().unwrap_or(0);
        sum.busy += of(0) + of(1) + of(2);
        sum.steal += of(7);
    }
    sum
}

/// Returns the processes that are not of this tree, with the ticks that they and their reaped children have used.
pub(super) fn others(tree: &[u32]) -> Others {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let found = pids.filter(|pid| !tree.contains(pid)).filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, name_and_ticks(&text)?))
    });
    found.collect()
}

fn name_and_ticks(stat: &str) -> Option<(String, u64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = fields
        .get(11..13)?
        .iter()
        .filter_map(|field| field.parse::<u64>().ok());
    Some((name, ticks.sum()))
}

/// Returns the three names that have used most between two moments.
pub(super) fn greatest(
    before: &Others,
    now: &Others,
    share: impl Fn(u64) -> f64,
) -> Vec<(String, f64)> {
    let mut by_name: HashMap<&str, u64> = HashMap::new();
    for (pid, (name, ticks)) in now {
        let earlier = before.get(pid).map_or(0, |(_, ticks)| *ticks);
        *by_name.entry(name).or_default() += ticks.saturating_sub(earlier);
    }
    let mut shares: Vec<(String, f64)> = by_name
        .into_iter()
        .map(|(name, ticks)| (name.to_owned(), share(ticks)))
        .filter(|(_, share)| *share >= 0.01)
        .collect();
    shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    shares.truncate(3);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_our_cores_counts() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\n\
                    cpu0 1 2 4 100 50 7 7 8 3 3\n\
                    cpu1 10 20 40 100 50 7 7 80 3 3\n\
                    cpu12 1000 0 0 0\n\
                    intr 5\n";
        assert_eq!(counted(text, &[0]), Counted { busy: 7, steal: 8 });
        assert_eq!(
            counted(text, &[0, 1]),
            Counted {
                busy: 77,
                steal: 88
            }
        );
        assert_eq!(counted("", &[0]), Counted::default());
    }

    #[test]
    fn the_greatest_neighbours_are_named() {
        let of = |all: &[(u32, &str, u64)]| -> Others {
            all.iter()
                .map(|(pid, name, ticks)| (*pid, ((*name).to_owned(), *ticks)))
                .collect()
        };
        let before = of(&[(1, "init", 500), (2, "cc", 10), (3, "cc", 0)]);
        let now = of(&[
            (1, "init", 500),
            (2, "cc", 40),
            (3, "cc", 30),
            (4, "ld", 20),
        ]);
        let found = greatest(&before, &now, |ticks| ticks as f64 / 100.0);
        assert_eq!(found, [("cc".to_owned(), 0.6), ("ld".to_owned(), 0.2)]);
        assert_eq!(
            name_and_ticks("42 (a) b) S 7 42 42 0 -1 4194560 1 0 0 0 11 12 13 14 20 0 1 0 5"),
            Some(("a) b".to_owned(), 23))
        );
    }
}
