use super::*;
use crate::machine::Machine;
use crate::report::Figure;

fn cost(row: &str, trip_us: f64, bytes: f64, most: u64) -> Cost {
    Cost {
        row: row.to_owned(),
        trip: Figure::of([1.0, 1.005, 1.01].map(|times| trip_us / 1e6 * times).into()).unwrap(),
        bytes: Figure::of(vec![bytes, bytes, bytes]).unwrap(),
        most,
        limit: "a limit".to_owned(),
    }
}

fn costs() -> Costs {
    Costs {
        machine: Machine {
            cores: 2,
            memory_bytes: 4 << 30,
            ..Machine::default()
        },
        rows: vec![
            cost("threads", 9.0, 40_000.0, 15_000),
            cost("tasks/epoll", 5.0, 500.0, 20_000),
            cost("tasks/select", 5.0, 500.0, 992),
        ],
        offload_threads: 64,
        offload_s: 10e-6,
    }
}

const USUAL: Demand = Demand {
    connections: 10_000,
    active: 0.01,
    service_s: 0.2,
    cpu_s: 0.0,
    memory_bytes: None,
};

#[test]
fn cheap_requests_take_the_model_that_waits_cheaply() {
    let advice = recommend(&USUAL, &costs());
    assert!(advice.fits);
    assert_eq!(advice.run, "run `--model tasks --driver epoll --workers 1`");
    // 100 under way + 2 × 10.
    assert_eq!(advice.pool, Some(120));
    let text = advice.because.join("\n");
    assert!(
        text.contains("10,000 connections × 1 % active = 100 requests under way"),
        "{text}"
    );
    assert!(
        text.contains("100 under way ÷ 200 ms each = 500 requests a second"),
        "{text}"
    );
    assert!(
        text.contains("threads: 10,000 × 39.1 KiB = 381 MiB of 4 GiB"),
        "{text}"
    );
    assert!(text.contains("has 64 here, too few"), "{text}");
    let changes = advice.changes.join("\n");
    assert!(
        changes.contains("tasks/select would do below 793 connections (a limit)"),
        "{changes}"
    );
    // (9.045 − 1.05 × 5.025) ÷ 0.05 us
    assert!(
        changes.contains("computes for 75.4 µs or more, threads"),
        "{changes}"
    );
}

#[test]
fn requests_that_compute_take_threads_where_they_fit() {
    let computing = Demand {
        cpu_s: 0.002,
        ..USUAL
    };
    let advice = recommend(&computing, &costs());
    assert_eq!(advice.model.as_deref(), Some("threads"));
    assert_eq!((advice.driver, advice.workers), (None, None));
    let small = Demand {
        memory_bytes: Some(100 << 20),
        ..computing
    };
    let advice = recommend(&small, &costs());
    assert_eq!(advice.model.as_deref(), Some("tasks"));
    assert_eq!(
        advice.workers,
        Some(2),
        "500 × 2 ms is a core: more than 70 % of one"
    );
    assert!(
        advice.run.ends_with("and compute in `run_blocking`"),
        "{}",
        advice.run
    );
    let changes = advice.changes.join("\n");
    assert!(
        changes.contains("threads would do below 2,097 connections (memory)"),
        "{changes}"
    );
}

#[test]
fn what_the_machine_cannot_do_is_said_with_what_lacks() {
    let much = Demand {
        cpu_s: 0.1,
        ..USUAL
    };
    let advice = recommend(&much, &costs());
    assert!(!advice.fits && advice.model.is_none());
    let text = advice.because.join("\n");
    assert!(text.contains("does not do: needs 50 cores of 2"), "{text}");
    let changes = advice.changes.join("\n");
    assert!(changes.contains("used at 279 connections"), "{changes}");
    let many = Demand {
        connections: u64::MAX,
        ..USUAL
    };
    assert!(!recommend(&many, &costs()).fits);
}

#[test]
fn without_any_measured_model_there_is_no_advice() {
    let nothing = Costs {
        rows: Vec::new(),
        ..costs()
    };
    let advice = recommend(&USUAL, &nothing);
    assert!(!advice.fits && advice.changes.is_empty());
}

#[test]
fn a_control_group_has_less_than_the_machine() {
    let mut costs = costs();
    costs.machine.limits.group_memory_bytes = Some(256 << 20);
    costs.machine.limits.group_cores = Some(0.5);
    let advice = recommend(&USUAL, &costs);
    assert_eq!(advice.model.as_deref(), Some("tasks"));
    let text = advice.because.join("\n");
    assert!(
        text.contains("threads: 10,000 × 39.1 KiB = 381 MiB of 256 MiB"),
        "{text}"
    );
    // 500 a second × 2 ms are a whole core.
    let computing = Demand {
        cpu_s: 0.002,
        ..USUAL
    };
    assert!(!recommend(&computing, &costs).fits);
    costs.machine.limits.group_cores = None;
    assert!(recommend(&computing, &costs).fits);
}
