//! What models take for the same work.

use super::{Noise, line, texts, value};
use switchboard_lab::{
    Axis, Better, Column, Figure, Mark, Plot, PlotKind, Point, Section, Series, Table, Unit, Value,
};

pub(super) fn io(rng: &mut Noise) -> Section {
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

pub(super) fn echo(rng: &mut Noise) -> Section {
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
