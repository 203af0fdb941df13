//! Signals as a stream, under every model and driver.
//!
//! A test binary of its own, because a signal reaches every test of its process.

#[path = "support/ways.rs"]
mod ways;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_lite::{StreamExt, future};
use rustix::process::{Signal as Sent, getpid, kill_process};
use switchboard_runtime::signal::{Signal, Signals, ctrl_c};
use switchboard_runtime::{self as runtime, race};

use ways::Way;

ways::stamp!(
    a_signal_reaches_its_stream
    different_signals_arrive_one_by_one
    a_receive_that_loses_a_race_loses_no_signal
    every_listener_hears_a_signal
    ctrl_c_completes_at_sigint
);

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(signal: Sent) {
    kill_process(getpid(), signal).unwrap();
}

/// Sends the signal from another thread, when the flow has waited for a while.
fn send_later(signal: Sent) {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(2));
        send(signal);
    });
}

fn a_signal_reaches_its_stream(way: Way) {
    let _turn = alone();
    let mut signals = Signals::new(&[Signal::USER1, Signal::HANGUP]).unwrap();
    way.run(async {
        send(Sent::USR1);
        assert_eq!(signals.recv().await.unwrap(), Signal::USER1);
        send_later(Sent::HUP);
        assert_eq!(signals.recv().await.unwrap(), Signal::HANGUP);
        send_later(Sent::USR1);
        assert_eq!(signals.next().await.unwrap().unwrap(), Signal::USER1);
        assert!(future::poll_once(signals.recv()).await.is_none());
    });
}

fn different_signals_arrive_one_by_one(way: Way) {
    let _turn = alone();
    let expected = [Signal::USER1, Signal::USER2, Signal::WINDOW_CHANGE];
    let signals = Signals::new(&expected).unwrap();
    way.run(async {
        for sent in [Sent::WINCH, Sent::USR2, Sent::USR1] {
            send(sent);
        }
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            seen.insert(signals.recv().await.unwrap());
        }
        assert_eq!(seen, BTreeSet::from(expected));
    });
}

fn a_receive_that_loses_a_race_loses_no_signal(way: Way) {
    let _turn = alone();
    let signals = Signals::new(&[Signal::USER2]).unwrap();
    way.run(async {
        for _ in 0..20 {
            send_later(Sent::USR2);
            loop {
                let received = async { Some(signals.recv().await.unwrap()) };
                let tick = async {
                    runtime::sleep(Duration::from_micros(300)).await;
                    None
                };
                if let Some(signal) = race(tick, received).await {
                    assert_eq!(signal, Signal::USER2);
                    break;
                }
            }
        }
    });
}

fn every_listener_hears_a_signal(way: Way) {
    let _turn = alone();
    let (one, two) = (
        Signals::new(&[Signal::USER1, Signal::ALARM]).unwrap(),
        Signals::new(&[Signal::USER1]).unwrap(),
    );
    send_later(Sent::USR1);
    let heard = way.run(runtime::join(one.recv(), two.recv()));
    assert_eq!(
        (heard.0.unwrap(), heard.1.unwrap()),
        (Signal::USER1, Signal::USER1)
    );
    drop((one, two));
    // Without effect; by default it would end the process.
    send(Sent::ALARM);
}

fn ctrl_c_completes_at_sigint(way: Way) {
    let _turn = alone();
    way.run(async {
        let other = async {
            runtime::sleep(Duration::from_millis(1)).await;
            send(Sent::INT);
            std::future::pending().await
        };
        race(ctrl_c(), other).await.unwrap();
    });
}

#[test]
fn signals_that_cannot_be_caught_are_refused() {
    for signal in [
        Signal::KILL,
        Signal::from_number(11),
        Signal::from_number(4711),
    ] {
        let error = Signals::new(&[Signal::USER1, signal]).unwrap_err();
        assert_eq!(
            error.kind(),
            io::ErrorKind::InvalidInput,
            "{signal}: {error}"
        );
    }
}

#[test]
fn signals_are_refused_outside_of_any_flow() {
    let signals = Signals::new(&[Signal::USER1]).unwrap();
    let error = future::block_on(signals.recv()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}
