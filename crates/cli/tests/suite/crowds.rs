//! The experiments with crowds of clients, small, through the real command.

use std::time::Duration;

use switchboard_lab::{
    C10k, C10kSizes, Effort, Experiment, Kegel, KegelSizes, Lab, Rounds, Section, Slow, SlowSizes,
    cores,
};
use switchboard_runtime::Model;

use crate::served::BINARY;

const ONCE: Rounds = Rounds {
    least: 1,
    most: 1,
    budget: Duration::ZERO,
    narrow: 1.0,
};

fn lab(models: &[Model]) -> Lab {
    Lab::new(
        BINARY.into(),
        Effort::Quick,
        models.to_vec(),
        Duration::ZERO,
    )
}

fn median(section: &Section, table: usize, row: &str, column: &str) -> f64 {
    let figure = section.tables[table].figure(row, column);
    figure
        .unwrap_or_else(|| panic!("{row}: no {column} in {section:#?}"))
        .median()
}

#[test]
fn idle_clients_are_counted_and_select_ends_at_its_wall() {
    let sizes = C10kSizes {
        idle: &[20, 1_100],
        active: 5,
        processes: 20,
        duration: Duration::from_millis(100),
        patience: Duration::from_secs(10),
        rounds: ONCE,
    };
    let experiment = C10k(Some(sizes));
    let section = experiment
        .run(&lab(&[Model::Tasks, Model::Threads]))
        .unwrap();
    for row in ["threads", "tasks/poll", "tasks/epoll"] {
        for column in ["asked", "held", "survived"] {
            assert_eq!(median(&section, 0, row, column), 1_100.0, "{row} {column}");
        }
        assert_eq!(median(&section, 0, row, "active served"), 5.0, "{row}");
        assert!(median(&section, 0, row, "round trips") > 0.0, "{row}");
    }
    let held = median(&section, 0, "tasks/select", "held");
    assert!((900.0..1_024.0).contains(&held), "{held}");
    let said = section.findings.join("\n");
    assert!(
        said.contains("tasks/select holds ") && said.contains("FD_SETSIZE"),
        "{said}"
    );
}

#[test]
fn others_wait_for_a_slow_client_where_one_is_served_at_a_time() {
    let sizes = SlowSizes {
        visitors: 10,
        backend: Duration::from_millis(20),
        slow: 20,
        processes: 10,
        long: 20,
        message: 100_000,
        duration: Duration::from_millis(300),
        rounds: ONCE,
    };
    let experiment = Slow(Some(sizes));
    let section = experiment
        .run(&lab(&[Model::Blocking, Model::Tasks]))
        .unwrap();
    // Each scene is a table. Beside slow clients a server of one at a time answers nobody.
    let scene = |row: &str| -> Vec<f64> {
        let tables = section.tables.iter();
        let figures = tables.filter_map(|table| table.figure(row, "in time"));
        figures.map(switchboard_lab::Figure::median).collect()
    };
    let (blocking, tasks) = (scene("blocking"), scene("tasks/epoll"));
    assert!(blocking.contains(&0.0), "{blocking:?}");
    assert!(tasks.len() >= 3 && !tasks.contains(&0.0), "{tasks:?}");
}

#[test]
fn a_file_a_second_is_counted_for_each_client() {
    if cores().len() < 2 {
        println!("skip: kegel: never: it needs two cores");
        return;
    }
    let sizes = KegelSizes {
        clients: 100,
        of_process: 60,
        cold_s: 1,
        warm_s: 1,
        rounds: ONCE,
    };
    let section = Kegel(Some(sizes)).run(&lab(&[Model::Tasks])).unwrap();
    for table in 0..section.tables.len() {
        assert_eq!(median(&section, table, "tasks/epoll", "clients"), 100.0);
        assert_eq!(median(&section, table, "tasks/epoll", "servers"), 2.0);
        assert!(median(&section, table, "tasks/epoll", "answers") > 0.0);
    }
}
