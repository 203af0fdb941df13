//! A report such as a long run on a real machine gives, made without measuring: every kind of plot, long names, missing
//! values, errors, and all verdicts. Its figures are invented; tests and `examples/sample_report.rs` show it.

mod connections;
mod folklore;
mod work;

use switchboard_lab::{Figure, Line, Machine, Mark, Report, Value};

/// Makes the report. The same seed gives the same one.
pub(crate) fn report(seed: u64) -> Report {
    let mut rng = Noise(fastrand::Rng::with_seed(seed));
    Report {
        schema: Report::SCHEMA.to_owned(),
        version: Report::VERSION,
        program: "switchboard 0.1.0".to_owned(),
        command: "switchboard compare --html report.html io echo limits c10k slow folklore"
            .to_owned(),
        how: "effort usual, models all".to_owned(),
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
            work::io(&mut rng),
            work::echo(&mut rng),
            connections::limits(&mut rng),
            connections::c10k(&mut rng),
            connections::slow(&mut rng),
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
