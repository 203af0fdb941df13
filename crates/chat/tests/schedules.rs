//! Random schedules of joins, sends, cuts, restarts and resumes: each member has the whole history of its rooms, in
//! order and nothing twice.

mod support;

use support::world::World;

/// Runs the schedules of the seeds from `SEED` on, or from 0.
#[test]
fn members_have_the_whole_history() {
    let first = std::env::var("SEED").map_or(0, |seed| seed.parse().expect("SEED is a number"));
    let count = std::env::var("SEED").map_or(1000, |_| 1);
    for seed in first..first + count {
        // The seed of a failure.
        let _shown = support::Shown(seed);
        World::new(seed).run(400);
    }
}
