//! What a delivered message costs, and how late it comes.

use std::io;
use std::time::Duration;

use switchboard_bench::contenders::Contender;
use switchboard_bench::site::Site;

use crate::options::{LAYOUTS, Options};
use crate::side::{Figures, Side, Turn, by_turns, enter};
use crate::table;
use crate::worker::{Answer, Command, LENGTH};
use crate::{Report, rounds};

/// The rooms of what is said at fixed moments.
pub const ROOMS: usize = 100;
/// Seconds for which it is.
const TIME: u64 = 8;

/// What one round found of a contender.
struct Round {
    layouts: Vec<Figures>,
    rate: Result<Rated, String>,
}

/// What was said at fixed moments.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rated {
    pub p50: f64,
    pub p99: f64,
    pub most: f64,
    pub late_p99: f64,
    pub cpu_us: f64,
}

pub fn measure(
    (reference, others): &(Contender, Vec<Contender>),
    options: &Options,
    site: &Site,
    report: &mut Report,
) -> serde_json::Result<()> {
    let again = reference.called(format!("{} again", reference.name));
    let all: Vec<&Contender> = [&again].into_iter().chain(others).collect();
    let row = rounds("talk", &all, options, |contender| {
        run(reference, contender, options, site)
    });
    for (at, (rooms, depth)) in LAYOUTS.into_iter().enumerate() {
        let mut name = format!("{rooms}x{}", options.clients / rooms);
        if depth > 1 {
            name += &format!("x{depth}");
        }
        let row: Vec<_> = row
            .iter()
            .map(|cell| cell.map(&name, |one| Ok(one.layouts[at].clone())))
            .collect();
        let what = match depth {
            1 => format!(
                "{rooms} rooms of {}, one message of each under way",
                options.clients / rooms
            ),
            _ => format!(
                "{rooms} rooms of {}, {depth} messages of each under way",
                options.clients / rooms
            ),
        };
        table::figures(&name, &what, "a delivery", &reference.name, &row);
        report.add(&row)?;
    }
    let row: Vec<_> = row
        .iter()
        .map(|cell| cell.map("rate", |one| one.rate.clone()))
        .collect();
    table::rated(options, &row);
    report.add(&row)
}

fn run(
    reference: &Contender,
    contender: &Contender,
    options: &Options,
    site: &Site,
) -> io::Result<Round> {
    let mut sides = [
        Side::start(reference, options, site)?,
        Side::start(contender, options, site)?,
    ];
    let mut layouts = LAYOUTS.map(|(rooms, _)| rooms).to_vec();
    layouts.sort_unstable();
    layouts.dedup();
    enter(&mut sides, options.clients, &layouts)?;
    let mut figures = Vec::new();
    for (rooms, depth) in LAYOUTS {
        let driven = Duration::from_secs_f64(options.seconds);
        let turn = |side: &mut Side, time: Duration| talk(side, rooms, depth, time);
        figures.push(by_turns(
            &mut sides,
            driven,
            |side| side.server.pid(),
            turn,
        )?);
    }
    let [_, side] = &mut sides;
    Ok(Round {
        layouts: figures,
        rate: rate(side, options.rate, LENGTH, TIME).map_err(|error| error.to_string()),
    })
}

fn talk(side: &mut Side, rooms: usize, depth: usize, time: Duration) -> io::Result<Turn> {
    let time = time.as_millis() as u64;
    let spent = side.spend(Command::Talk { rooms, depth, time })?;
    let Answer {
        delivered,
        seconds,
        cpu,
        ..
    } = spent.answer;
    Ok(Turn {
        done: delivered,
        elapsed: Duration::from_secs_f64(seconds),
        server: spent.server,
        load: Duration::from_secs_f64(cpu),
    })
}

/// Has members speak at fixed moments.
pub fn rate(side: &mut Side, rate: u64, length: usize, seconds: u64) -> io::Result<Rated> {
    let rooms = ROOMS;
    let spent = side.spend(Command::Rate {
        rooms,
        rate,
        length,
        seconds,
    })?;
    let answer = spent.answer;
    Ok(Rated {
        p50: answer.p50,
        p99: answer.p99,
        most: answer.most,
        late_p99: answer.late_p99,
        cpu_us: spent.server.as_secs_f64() * 1e6 / answer.delivered.max(1) as f64,
    })
}
