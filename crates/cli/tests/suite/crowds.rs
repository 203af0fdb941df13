//! The experiments with crowds of clients, with small numbers: `c10k`, `slow` and `kegel`.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_lab::{
    C10k, C10kSizes, Effort, Experiment, Kegel, KegelSizes, Lab, Rounds, Section, Slow, SlowSizes,
    Table,
};
use switchboard_runtime::Model;

const ONCE: Rounds = Rounds {
    least: 1,
    most: 1,
    budget: Duration::ZERO,
    narrow: 0.1,
};

fn run(experiment: &dyn Experiment, models: &[Model]) -> Section {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_switchboard"));
    // The effort bounds the time, which a busy machine may need.
    let lab = Lab::new(program, Effort::Thorough, models.to_vec(), Duration::ZERO);
    let section = experiment.run(&lab).unwrap();
    assert_eq!(section.experiment, experiment.name());
    for row in section.tables.iter().flat_map(|table| &table.rows) {
        assert_eq!(row.error, None, "{}", row.name);
    }
    section
}

/// Runs an experiment, and again if figures are not as expected that a stall of this machine changes; three times in all.
fn run_until(
    experiment: &dyn Experiment,
    models: &[Model],
    is_right: impl Fn(&Section) -> bool,
) -> Section {
    for _ in 0..2 {
        let section = run(experiment, models);
        if is_right(&section) {
            return section;
        }
    }
    run(experiment, models)
}

fn table<'a>(section: &'a Section, title: &str) -> &'a Table {
    let mut tables = section.tables.iter();
    tables.find(|one| one.title == title).unwrap()
}

fn value(table: &Table, row: &str, column: &str) -> f64 {
    let figure = table.figure(row, column);
    figure
        .unwrap_or_else(|| panic!("{row} has no {column}: {table:?}"))
        .median()
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_clients_find_the_wall_of_select_and_what_a_pool_holds() {
    let sizes = C10kSizes {
        idle: &[40, 1_200],
        active: 20,
        processes: 5,
        duration: Duration::from_millis(300),
        patience: Duration::from_secs(2),
        rounds: ONCE,
    };
    let models = [Model::Blocking, Model::Pool, Model::Processes, Model::Tasks];
    let expected = [
        ("blocking", 1_200.0, 0.0, 1.0),
        ("pool", 1_200.0, 0.0, 10.0),
        ("processes", 5.0, 5.0, 20.0),
        ("tasks/poll", 1_200.0, 1_200.0, 20.0),
        ("tasks/epoll", 1_200.0, 1_200.0, 20.0),
    ];
    let section = run_until(&C10k(Some(sizes)), &models, |section| {
        expected.iter().all(|(row, _, held, served)| {
            let figures = ["held", "survived", "active served"];
            figures.map(|column| value(&section.tables[0], row, column)) == [*held, *held, *served]
        })
    });
    let table = &section.tables[0];
    for (row, asked, held, served) in expected {
        assert_eq!(value(table, row, "asked"), asked, "{row}");
        assert_eq!(value(table, row, "held"), held, "{row}");
        assert_eq!(value(table, row, "survived"), held, "{row}");
        assert_eq!(value(table, row, "active served"), served, "{row}");
    }
    let held = value(table, "tasks/select", "held");
    assert!((900.0..1_024.0).contains(&held), "{held}");
    assert_eq!(value(table, "tasks/select", "survived"), held);
    let findings = section.findings.join("\n");
    let others = format!("the other {} wait without an answer", 1_200 - held as usize);
    for text in ["tasks/select holds", "FD_SETSIZE is 1,024", &others] {
        assert!(findings.contains(text), "{text}: {findings}");
    }
    assert!(section.warnings[0].contains("5 idle clients and not 1,200"));
    let curve = &section.plots[0];
    let points = |name: &str| {
        let series = curve.series.iter().find(|series| series.name == name);
        series
            .unwrap()
            .points
            .iter()
            .map(|point| point.x)
            .collect::<Vec<f64>>()
    };
    assert_eq!(points("tasks/epoll"), [40.0, 1_200.0]);
    assert_eq!(points("tasks/select"), [40.0, held]);
}

#[test]
fn others_feel_what_holds_a_thread_and_not_what_holds_a_task() {
    let sizes = SlowSizes {
        visitors: 30,
        backend: Duration::from_millis(100),
        slow: 40,
        processes: 10,
        long: 15,
        message: 2_000_000,
        duration: Duration::from_millis(600),
        rounds: ONCE,
    };
    // Clients, and how often each of them asks in a second.
    let all_offered = [
        ("slow back end", 30.0),
        ("slow clients", 400.0),
        ("long conversations", 400.0),
        ("long message", 400.0),
    ];
    let models = [Model::Blocking, Model::Pool, Model::Tasks];
    let section = run_until(&Slow(Some(sizes)), &models, |section| {
        all_offered.iter().all(|(title, offered)| {
            let of = |column| value(table(section, title), "tasks/epoll", column);
            of("in time") == 1.0 && (of("answered") - offered).abs() < 1e-6 * offered
        })
    });
    let table = |title: &str| table(&section, title);
    let long = table("long conversations");
    for row in ["blocking", "pool"] {
        assert_eq!(value(long, row, "in time"), 0.0, "{row}");
        assert!(value(long, row, "worst") >= 0.6, "{row}");
    }
    for (title, offered) in all_offered {
        assert_eq!(
            value(table(title), "tasks/epoll", "in time"),
            1.0,
            "{title}"
        );
        let answered = value(table(title), "tasks/epoll", "answered");
        assert!(
            answered > value(table(title), "blocking", "answered"),
            "{title}"
        );
        assert!(
            (answered - offered).abs() < 1e-6 * offered,
            "{title}: {answered}"
        );
    }
    // One after another, each of which takes 100 ms or so.
    let blocking = value(table("slow back end"), "blocking", "answered");
    assert!(blocking > 0.0 && blocking < 30.0, "{blocking}");
    assert_eq!(section.findings.len(), 4, "{:?}", section.findings);
}

#[test]
fn files_go_to_paced_clients_of_several_servers_and_nothing_is_left() {
    let sizes = KegelSizes {
        clients: 60,
        of_process: 20,
        cold_s: 1,
        warm_s: 2,
        rounds: ONCE,
    };
    let (titles, rows) = (["warm cache", "cold cache"], ["threads", "tasks/epoll"]);
    let models = [Model::Threads, Model::Tasks];
    let section = run_until(&Kegel(Some(sizes)), &models, |section| {
        titles.iter().all(|title| {
            let table = table(section, title);
            let of = |row| ["missed", "answers"].map(|column| value(table, row, column));
            rows.iter()
                .map(|row| of(row))
                .all(|[missed, answers]| missed == 0.0 && (answers - 60.0).abs() < 1e-6)
        })
    });
    for title in titles {
        let table = table(&section, title);
        for row in rows {
            assert_eq!(value(table, row, "clients"), 60.0, "{row}");
            assert_eq!(value(table, row, "servers"), 3.0, "{row}");
            // Each client's request each second was answered in time.
            assert_eq!(value(table, row, "missed"), 0.0, "{title}: {row}");
            let answers = value(table, row, "answers");
            assert!((answers - 60.0).abs() < 1e-6, "{title}: {row} {answers}");
        }
    }
    let name = format!("switchboard-kegel-{}", std::process::id());
    assert!(!std::env::temp_dir().join(name).exists());
}
