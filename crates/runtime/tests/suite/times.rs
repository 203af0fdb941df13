//! Intervals, deadlines and sleeps that are set anew.

use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use switchboard_runtime::{self as runtime, Elapsed, MissedTickBehavior, race};

use crate::ways::Way;

crate::ways::stamp!(
    ticks_are_a_period_apart_and_the_first_is_at_once
    a_burst_catches_up
    a_delay_counts_from_the_late_tick
    a_skip_keeps_to_multiples_of_the_period
    a_dropped_tick_is_not_lost
    an_interval_is_reset
    a_sleep_until_the_past_ends_at_once
    a_sleep_is_reset_while_it_waits
    a_reset_sleep_sleeps_again
    a_deadline_limits_several_waits
    a_tick_races_a_message
);

const MS: Duration = Duration::from_millis(1);

fn ticks_are_a_period_apart_and_the_first_is_at_once(way: Way) {
    way.run(async {
        let begin = runtime::now();
        let mut interval = runtime::interval(3 * MS);
        let ticks = [
            interval.tick().await,
            interval.tick().await,
            interval.tick().await,
        ];
        assert_eq!(ticks[1] - ticks[0], 3 * MS);
        assert_eq!(ticks[2] - ticks[1], 3 * MS);
        assert!(ticks[0] >= begin && runtime::now() - begin >= 6 * MS);
    });
}

/// Returns when the four ticks after a pause of 2.5 periods were due, in milliseconds since the first tick;
/// and when the late one came.
async fn after_a_pause(rule: MissedTickBehavior) -> (Vec<Duration>, Duration) {
    const PERIOD: Duration = Duration::from_millis(20);
    let mut interval = runtime::interval(PERIOD);
    // Until here the rule is a burst, which keeps to the start even if the first tick is late.
    let begin = interval.tick().await;
    interval.set_missed_tick_behavior(rule);
    assert_eq!(
        (interval.period(), interval.missed_tick_behavior()),
        (PERIOD, rule)
    );
    runtime::sleep(PERIOD * 5 / 2).await;
    let mut due = vec![interval.tick().await - begin];
    let late = runtime::now() - begin;
    for _ in 0..3 {
        due.push(interval.tick().await - begin);
    }
    (due, late)
}

fn a_burst_catches_up(way: Way) {
    let (due, _) = way.run(after_a_pause(MissedTickBehavior::Burst));
    assert_eq!(due, [20 * MS, 40 * MS, 60 * MS, 80 * MS]);
}

fn a_delay_counts_from_the_late_tick(way: Way) {
    let (due, late) = way.run(after_a_pause(MissedTickBehavior::Delay));
    assert_eq!(due[0], 20 * MS);
    assert!(
        due[1] >= 70 * MS && due[1] <= late + 20 * MS,
        "{due:?} {late:?}"
    );
    assert!(due[2] - due[1] >= 20 * MS);
}

fn a_skip_keeps_to_multiples_of_the_period(way: Way) {
    let (due, _) = way.run(after_a_pause(MissedTickBehavior::Skip));
    assert_eq!(due[0], 20 * MS);
    assert!(due[1] >= 60 * MS);
    for due in due {
        assert_eq!(due.as_nanos() % (20 * MS).as_nanos(), 0, "{due:?}");
    }
}

fn a_dropped_tick_is_not_lost(way: Way) {
    way.run(async {
        let mut interval = runtime::interval(2 * MS);
        let first = interval.tick().await;
        for _ in 0..100 {
            assert!(
                poll_once(interval.tick())
                    .await
                    .is_none_or(|due| due > first)
            );
            if runtime::now() > first + MS {
                break;
            }
        }
        let late = runtime::timeout(Duration::from_secs(60), interval.tick()).await;
        assert!(late.unwrap() > first);
    });
}

fn an_interval_is_reset(way: Way) {
    way.run(async {
        let mut interval = runtime::interval(Duration::from_secs(3600));
        interval.tick().await;
        let soon = runtime::now() + 2 * MS;
        interval.reset_at(soon);
        assert_eq!(interval.tick().await, soon);
        interval.reset();
        let late = runtime::timeout(2 * MS, interval.tick()).await;
        assert!(late.is_err(), "{late:?}");
    });
}

fn a_sleep_until_the_past_ends_at_once(way: Way) {
    way.run(async {
        let sleep = runtime::sleep_until(runtime::now());
        assert_eq!(poll_once(sleep).await, Some(()));
    });
}

fn a_sleep_is_reset_while_it_waits(way: Way) {
    way.run(async {
        let begin = Instant::now();
        let mut sleep = pin!(runtime::sleep(Duration::from_secs(3600)));
        assert_eq!(poll_once(sleep.as_mut()).await, None);
        let soon = runtime::now() + 2 * MS;
        sleep.reset(soon);
        assert_eq!(sleep.deadline(), Some(soon));
        sleep.await;
        assert!(runtime::now() >= soon && begin.elapsed() < Duration::from_secs(60));
    });
}

fn a_reset_sleep_sleeps_again(way: Way) {
    way.run(async {
        let mut sleep = pin!(runtime::sleep(MS));
        sleep.as_mut().await;
        // Put off, the earlier end does not count.
        for _ in 0..3 {
            let end = runtime::now() + 2 * MS;
            sleep.reset(runtime::now() + MS);
            let _ = poll_once(sleep.as_mut()).await;
            sleep.reset(end);
            sleep.as_mut().await;
            assert!(runtime::now() >= end);
        }
    });
}

fn a_deadline_limits_several_waits(way: Way) {
    way.run(async {
        let deadline = runtime::now() + 3 * MS;
        let first = runtime::timeout_at(deadline, async { 7 }).await;
        assert_eq!(first, Ok(7));
        let second: Result<(), Elapsed> = runtime::timeout_at(deadline, pending()).await;
        assert_eq!(second.unwrap_err().to_string(), "not done by its deadline");
        let third = runtime::timeout_at(deadline, pending::<()>()).await;
        assert!(third.is_err() && runtime::now() >= deadline);
        let ready = runtime::timeout_at(deadline, async { 8 }).await;
        assert_eq!(ready, Ok(8), "what is ready wins");
    });
}

fn a_tick_races_a_message(way: Way) {
    way.run(async {
        let (sender, receiver) = runtime::channel(1);
        let other = std::thread::spawn(move || {
            for number in 0..20 {
                std::thread::sleep(Duration::from_micros(500));
                sender.send_blocking(number).unwrap();
            }
        });
        let mut interval = runtime::interval(Duration::from_micros(700));
        let (mut messages, mut ticks) = (Vec::new(), Vec::new());
        while messages.len() < 20 {
            let message = async { messages.push(receiver.recv().await.unwrap()) };
            race(message, async { ticks.push(interval.tick().await) }).await;
        }
        assert_eq!(messages, (0..20).collect::<Vec<_>>());
        assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
        other.join().unwrap();
    });
}
