//! How many there can be, and what many cost.

use super::{Noise, line, texts, value};
use switchboard_lab::{
    Axis, Better, Column, Figure, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};

pub(super) fn limits(rng: &mut Noise) -> Section {
    let kinds = [
        (
            "threads",
            16_012.0,
            11.2e-6,
            9.8e3,
            19.0e3,
            "vm.max_map_count = 65530: four mappings for each thread",
        ),
        (
            "processes",
            7_812.0,
            310e-6,
            120e3,
            240e3,
            "RLIMIT_NPROC = 7812",
        ),
        (
            "green threads",
            262_144.0,
            0.9e-6,
            8.3e3,
            0.0,
            "the experiment's own bound",
        ),
        (
            "tasks",
            4_000_000.0,
            0.11e-6,
            260.0,
            0.0,
            "the experiment's own bound",
        ),
        (
            "TCP sockets",
            20_000.0,
            6.1e-6,
            0.0,
            3.2e3,
            "RLIMIT_NOFILE = 20000",
        ),
    ];
    let columns = vec![
        Column::new("count", Unit::Count, Better::More),
        Column::new("creation", Unit::Seconds, Better::Less),
        Column::new("user memory", Unit::Bytes, Better::Less),
        Column::new("kernel memory", Unit::Bytes, Better::Less),
        Column::new("ended by", Unit::Text, Better::Neither),
    ];
    let row = |(name, count, creation, user, kernel, ended): &(&str, f64, f64, f64, f64, &str),
               rng: &mut Noise| {
        let memory = |bytes: f64, rng: &mut Noise| {
            (bytes > 0.0).then(|| Value::Figure(rng.figure(bytes, 0.01, 3)))
        };
        line(
            name,
            Mark::Plain,
            vec![
                value(Figure::once(*count).unwrap()),
                value(rng.figure(*creation, 0.05, 3)),
                memory(*user, rng),
                memory(*kernel, rng),
                Some(Value::Text((*ended).to_owned())),
            ],
        )
    };
    let rows = kinds.iter().map(|kind| row(kind, rng)).collect();
    let memory = |name: &str, at: usize, rng: &mut Noise| Series {
        name: name.to_owned(),
        points: kinds
            .iter()
            .map(|kind| {
                Point::bar(
                    kind.0,
                    &rng.figure(if at == 0 { kind.3 } else { kind.4 }, 0.04, 6),
                )
            })
            .collect(),
    };
    let series = vec![memory("user", 0, rng), memory("kernel", 1, rng)];
    Section {
        experiment: "limits".to_owned(),
        title: "How many can there be, and what ends it?".to_owned(),
        settings: texts(&["each kind in a child process, until it is refused or has 25 % of the memory"]),
        findings: texts(&["16,012 threads are the most: vm.max_map_count ends them, not memory.", "A green thread takes 8.3 kB, a task 260 bytes."]),
        tables: vec![Table { title: "The most of each kind".to_owned(), rows_are: "kind".to_owned(), columns, rows }],
        plots: vec![
            Plot {
                title: "Memory of one".to_owned(),
                caption: "Processes and threads cost the kernel more than the program.".to_owned(),
                kind: PlotKind::Bars,
                x: Axis::linear("kind", Unit::Text),
                y: Axis::linear("memory", Unit::Bytes),
                series,
            },
            Plot {
                title: "The most of each kind".to_owned(),
                caption: "A machine that has room for four million tasks has room for sixteen thousand threads.".to_owned(),
                kind: PlotKind::Bars,
                x: Axis::linear("kind", Unit::Text),
                y: Axis::log("count", Unit::Count),
                series: vec![Series {
                    name: "count".to_owned(),
                    points: kinds.iter().map(|kind| Point::bar(kind.0, &Figure::once(kind.1).unwrap())).collect(),
                }],
            },
        ],
        took_s: 31.0,
        ..Section::default()
    }
}

pub(super) fn c10k(rng: &mut Noise) -> Section {
    let drivers = [
        ("select", 0.011, 900.0),
        ("poll", 0.004, 10_000.0),
        ("epoll", 0.00001, 10_000.0),
        ("uring", 0.00002, 10_000.0),
    ];
    let counts = [
        100.0, 200.0, 400.0, 900.0, 1_500.0, 2_000.0, 3_000.0, 4_000.0, 6_000.0, 8_000.0, 10_000.0,
    ];
    let curve = |(name, slope, wall): (&str, f64, f64), rng: &mut Noise| Series {
        name: name.to_owned(),
        points: counts
            .into_iter()
            .filter(|count| *count <= wall)
            .map(|count| Point::at(count, &rng.figure((9.0 + slope * count) * 1e-6, 0.06, 7)))
            .collect(),
    };
    let series: Vec<Series> = drivers
        .into_iter()
        .map(|driver| curve(driver, rng))
        .collect();
    let of_server = |at: usize| -> Series {
        let names = [
            "tasks/epoll, 10,000 idle and 50 active",
            "threads",
            "green/epoll",
            "callbacks/epoll",
            "pool",
            "processes",
        ];
        let points = (0..600).map(|n| {
            let second = f64::from(n) / 20.0;
            let full = [61e6, 320e6, 92e6, 58e6, 240e6, 1.9e9][at];
            Point {
                x: second,
                y: full * (second / 6.0).min(1.0) + 4e6 + 1e6 * f64::from(n % 7),
                ..Point::default()
            }
        });
        Series {
            name: names[at].to_owned(),
            points: points.collect(),
        }
    };
    Section {
        experiment: "c10k".to_owned(),
        title: "What do ten thousand clients cost, of whom most sleep?".to_owned(),
        findings: texts(&["epoll and uring do not notice idle connections; poll takes 4 µs more for each 1,000 of them.", "select ends at 1,024 descriptors."]),
        plots: vec![
            Plot {
                title: "CPU time of a round trip beside idle connections".to_owned(),
                caption: "select and poll rise with the number of connections, epoll and uring are flat; select ends at its wall.".to_owned(),
                kind: PlotKind::Lines,
                x: Axis::log("idle connections", Unit::Count),
                y: Axis::log("CPU time of a round trip", Unit::Seconds),
                series,
            },
            Plot {
                title: "Memory while clients arrive".to_owned(),
                caption: "All of the servers reach their full size after six seconds.".to_owned(),
                kind: PlotKind::Lines,
                x: Axis::linear("time", Unit::Seconds),
                y: Axis::linear("memory", Unit::Bytes),
                series: (0..6).map(of_server).collect(),
            },
        ],
        took_s: 44.0,
        ..Section::default()
    }
}

pub(super) fn slow(rng: &mut Noise) -> Section {
    let mut span = |label: &str, from: f64, long: f64| {
        let long = long * rng.around_one(0.2);
        Point {
            low: Some(from),
            high: Some(from + long),
            label: Some(label.to_owned()),
            ..Point::default()
        }
    };
    let mut of = |name: &str, offset: f64, long: f64| {
        let rows = [
            "client 1",
            "client 2",
            "client 3",
            "the client that reads slowly",
            "client 5",
        ];
        let points = rows
            .iter()
            .enumerate()
            .flat_map(|(row, label)| (0..4).map(move |n| (row, *label, n)));
        let points: Vec<(usize, &str, i32)> = points.collect();
        let points = points.into_iter().map(|(row, label, n)| {
            span(label, offset + 0.5 * f64::from(n) + 0.03 * row as f64, long)
        });
        Series {
            name: name.to_owned(),
            points: points.collect(),
        }
    };
    let series = vec![
        of("waits for the pool", 0.0, 0.2),
        of("is served", 0.22, 0.15),
    ];
    Section {
        experiment: "slow".to_owned(),
        title: "What do the others feel of a slow one?".to_owned(),
        settings: texts(&["a back end that takes 200 ms, log-normal; a pool of ten connections"]),
        findings: texts(&[
            "A pool of ten that is exhausted makes every client wait for 210 ms (190 ms–230 ms).",
        ]),
        plots: vec![Plot {
            title: "A pool that is exhausted".to_owned(),
            caption: "Each client waits for the pool about as long as it is served.".to_owned(),
            kind: PlotKind::Timeline,
            x: Axis::linear("time", Unit::Seconds),
            y: Axis::linear("client", Unit::Text),
            series,
        }],
        warnings: texts(&["processes: left out, since 2 cores are too few for ten of them"]),
        took_s: 12.0,
        ..Section::default()
    }
}
