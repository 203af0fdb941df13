//! A report such as a long run on a real machine gives, made without measuring: every kind of plot, long names, missing
//! values, errors, and all verdicts. Its figures are invented; tests and `examples/sample_report.rs` show it.

mod folklore;

use switchboard_lab::{
    Axis, Better, Column, Figure, Line, Machine, Mark, Plot, PlotKind, Point, Report, Section,
    Series, Table, Unit, Value,
};

/// Makes the report. The same seed gives the same one.
pub(crate) fn report(seed: u64) -> Report {
    let mut rng = Noise(fastrand::Rng::with_seed(seed));
    Report {
        schema: Report::SCHEMA.to_owned(),
        version: Report::VERSION,
        program: "switchboard 0.1.0".to_owned(),
        command: "switchboard compare --html report.html io echo limits c10k slow folklore"
            .to_owned(),
        started: "2026-11-28T14:54:29Z".to_owned(),
        took_s: 171.4,
        machine: machine(),
        disturbances: texts(&[
            "Another guest took 4 % of the processor's time between 60 s and 75 s: `echo` was measured then.",
        ]),
        advice: texts(&[
            "For waiting on many slow peers: tasks/epoll, 1.9 (1.8–2.1) times blocking threads at 50 clients, with a tenth \
             of their memory.",
            "For computing: processes or a pool of as many workers as there are cores; no model is faster than the other \
             beyond noise.",
            "Above 1,000 connections select cannot be used at all, and poll costs 4 µs more for each 1,000 of them.",
            "Run tasks on epoll, and give computing to a pool of 2 processes.",
        ]),
        sections: vec![
            io(&mut rng),
            echo(&mut rng),
            limits(&mut rng),
            c10k(&mut rng),
            slow(&mut rng),
            folklore::section(),
        ],
    }
}

/// The noise of a machine: a few per cent, and now and then more.
pub(crate) struct Noise(pub(crate) fastrand::Rng);

impl Noise {
    /// Returns a number around 1 with about this share of deviation.
    pub(crate) fn around_one(&mut self, share: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.0.f64()).sum::<f64>() - 6.0;
        (normal * share).exp()
    }

    /// Returns a figure of samples around a median.
    pub(crate) fn figure(&mut self, median: f64, share: f64, samples: usize) -> Figure {
        let samples = (0..samples)
            .map(|_| median * self.around_one(share))
            .collect();
        Figure::of(samples).expect("all are numbers")
    }
}

#[allow(clippy::needless_update)] // The machine gets more fields as more is found out about it.
fn machine() -> Machine {
    Machine {
        cpu: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".to_owned(),
        cores: 2,
        memory_bytes: 8_345_600_000,
        kernel: "Linux 6.12.41+deb13-cloud-amd64".to_owned(),
        ..Machine::default()
    }
}

pub(crate) fn texts(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn line(name: &str, mark: Mark, values: Vec<Option<Value>>) -> Line {
    Line {
        name: name.to_owned(),
        mark,
        values,
        error: None,
    }
}

fn value(figure: Figure) -> Option<Value> {
    Some(Value::Figure(figure))
}

fn io(rng: &mut Noise) -> Section {
    let columns = vec![
        Column::new("wall", Unit::Seconds, Better::Less),
        Column::new("speed", Unit::Ratio, Better::More),
        Column::new("CPU", Unit::Seconds, Better::Less),
        Column::new("memory", Unit::Bytes, Better::Less),
    ];
    let models = [
        ("blocking", Mark::Plain, 10.04, 0.021, 5.4e6),
        ("threads", Mark::Plain, 1.042, 0.034, 12.1e6),
        ("pool", Mark::Plain, 1.044, 0.03, 11.8e6),
        ("processes", Mark::Plain, 1.12, 0.21, 61.2e6),
        ("tasks/epoll", Mark::Best, 1.009, 0.012, 6.1e6),
        ("tasks/uring", Mark::Plain, 1.011, 0.013, 6.9e6),
        ("green/epoll", Mark::Plain, 1.012, 0.014, 7.4e6),
        ("callbacks/epoll", Mark::Plain, 1.01, 0.012, 6.0e6),
        (
            "tasks/epoll, sleeping on the loop",
            Mark::Mistake,
            10.06,
            0.02,
            6.1e6,
        ),
        ("python asyncio 3.13", Mark::Beside, 1.061, 0.093, 24.1e6),
        ("python threads 3.13", Mark::Beside, 1.083, 0.121, 31.7e6),
    ];
    let mut bars = Vec::new();
    let mut rows = Vec::new();
    for (name, mark, wall, cpu, memory) in models {
        let wall = rng.figure(wall, 0.008, 7);
        bars.push(Point::bar(name, &wall));
        let speed = Figure::of(wall.samples().iter().map(|wall| 10.04 / wall).collect());
        rows.push(line(
            name,
            mark,
            vec![
                value(wall),
                speed.map(Value::Figure),
                value(rng.figure(cpu, 0.1, 7)),
                value(rng.figure(memory, 0.01, 7)),
            ],
        ));
    }
    rows[6].error =
        Some("the 7th run: cannot connect to 127.0.0.1:40123: connection reset by peer".to_owned());
    let mut failed = line("green/portable", Mark::Plain, vec![None, None, None, None]);
    failed.error = Some("cannot map the stack of a green thread: Cannot allocate memory (os error 12); raise vm.max_map_count".to_owned());
    rows.push(failed);
    Section {
        experiment: "io".to_owned(),
        title: "Who fetches 40 pages from a slow site first?".to_owned(),
        settings: texts(&["10 jobs fetch 4 pages each, one after another; each page takes 250 ms", "the site on core 0, the model on core 1"]),
        findings: texts(&[
            "All models that wait for several jobs at once take as long as one job, 1.01 s to 1.12 s; blocking takes ten times as long.",
            "A sleep inside a coroutine costs all that the loop had won: 10.1 s (10.0 s–10.1 s).",
        ]),
        tables: vec![Table { title: "10 jobs, 4 pages each".to_owned(), rows_are: "model".to_owned(), columns, rows }],
        plots: vec![Plot {
            title: "Time until all pages are there".to_owned(),
            caption: "Models that wait for several jobs at once are ten times as fast as one that does not.".to_owned(),
            kind: PlotKind::Bars,
            x: Axis::linear("model", Unit::Text),
            y: Axis::linear("wall time", Unit::Seconds),
            series: vec![Series { name: "wall".to_owned(), points: bars }],
        }],
        took_s: 38.0,
        ..Section::default()
    }
}

fn echo(rng: &mut Noise) -> Section {
    let names = [
        "threads",
        "pool",
        "tasks/epoll",
        "tasks/uring",
        "green/epoll",
    ];
    let columns = vec![
        Column::new("trips", Unit::PerSecond, Better::More),
        Column::new("CPU/trip", Unit::Seconds, Better::Less),
        Column::new("p50", Unit::Seconds, Better::Less),
        Column::new("p99", Unit::Seconds, Better::Less),
        Column::new("p99.9", Unit::Seconds, Better::Less),
        Column::new("served", Unit::Share, Better::More),
        Column::new("user", Unit::Seconds, Better::Less),
        Column::new("system", Unit::Seconds, Better::Less),
        Column::new("memory", Unit::Bytes, Better::Less),
        Column::new("limited by", Unit::Text, Better::Neither),
    ];
    let mut rows = Vec::new();
    let mut curves = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let slower = 1.0 + 0.28 * at as f64;
        let mark = if at == 3 { Mark::Best } else { Mark::Plain };
        rows.push(line(
            name,
            mark,
            vec![
                value(rng.figure(104_000.0 / slower, 0.03, 9)),
                value(rng.figure(9.4e-6 * slower, 0.02, 9)),
                value(rng.figure(398e-6 * slower, 0.02, 9)),
                value(rng.figure(1.2e-3 * slower, 0.08, 9)),
                if at == 1 {
                    None
                } else {
                    value(rng.figure(2.9e-3 * slower, 0.3, 9))
                },
                value(rng.figure(1.0, 0.0, 9)),
                value(rng.figure(0.41 * slower, 0.03, 9)),
                value(rng.figure(1.42 * slower, 0.03, 9)),
                value(rng.figure(8e6, 0.01, 9)),
                Some(Value::Text(
                    if at == 3 {
                        "the load's own core"
                    } else {
                        "the server's core"
                    }
                    .to_owned(),
                )),
            ],
        ));
        let shares = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999];
        let point = |share: f64| Point {
            x: 1.0 / (1.0 - share),
            y: 398e-6 * slower * (1.0 / (1.0 - share)).powf(0.33),
            ..Point::default()
        };
        curves.push(Series {
            name: name.to_owned(),
            points: shares.map(point).to_vec(),
        });
    }
    Section {
        experiment: "echo".to_owned(),
        title: "Who serves the most messages?".to_owned(),
        settings: texts(&["50 clients send 64 bytes and wait for them, in a closed loop, for 2 s"]),
        findings: texts(&["tasks/uring serves no more than tasks/epoll beyond noise."]),
        tables: vec![Table { title: String::new(), rows_are: "model".to_owned(), columns, rows }],
        plots: vec![Plot {
            title: "How long the slowest wait".to_owned(),
            caption: "One in so many round trips takes as long as the curve, or longer: the tails rise alike.".to_owned(),
            kind: PlotKind::Steps,
            x: Axis::log("one in so many", Unit::Count),
            y: Axis::log("round trip", Unit::Seconds),
            series: curves,
        }],
        warnings: texts(&["The load was itself the limit at tasks/uring: its figure is a lower bound."]),
        took_s: 22.0,
        ..Section::default()
    }
}

fn limits(rng: &mut Noise) -> Section {
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

fn c10k(rng: &mut Noise) -> Section {
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

fn slow(rng: &mut Noise) -> Section {
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
