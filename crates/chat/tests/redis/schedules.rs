//! Random schedules of joins, sends, moves and killed nodes, while Redis is troubled.

use crate::server::Keeps;
use crate::support::Shown;
use crate::world::{Trouble, World};

/// Runs schedules of the seeds from `SEED` on, or from 0.
fn schedules(count: u64, keeps: Keeps, trouble: Trouble) {
    let first = std::env::var("SEED")
        .ok()
        .map(|seed| seed.parse().expect("SEED is a number"));
    let count = std::env::var("COUNT").map_or(count, |count| count.parse().expect("COUNT"));
    let count = first.map_or(count, |_| 1);
    let first = first.unwrap_or(0);
    for seed in first..first + count {
        let _shown = Shown(seed);
        let troubles = [(120, trouble), (240, trouble)];
        let troubles = if trouble == Trouble::Frozen {
            &troubles[..1]
        } else {
            &troubles
        };
        let Some(mut world) = World::new(seed, keeps) else {
            return;
        };
        world.run(400, troubles);
    }
}

#[test]
fn cut_connections_lose_nothing() {
    schedules(20, Keeps::Nothing, Trouble::Cuts);
}

#[test]
fn a_redis_that_keeps_all_loses_nothing_when_it_is_killed() {
    schedules(10, Keeps::All, Trouble::Kills);
}

#[test]
fn a_redis_that_keeps_nothing_and_is_killed_leaves_a_gap() {
    schedules(10, Keeps::Nothing, Trouble::Kills);
}

#[test]
fn a_redis_that_is_emptied_leaves_a_gap() {
    schedules(10, Keeps::Nothing, Trouble::Emptied);
}

#[test]
fn a_redis_that_comes_back_with_less_gives_no_offset_twice() {
    schedules(10, Keeps::Nothing, Trouble::Rewound);
}

#[test]
fn a_redis_that_freezes_loses_nothing() {
    schedules(3, Keeps::Nothing, Trouble::Frozen);
}
