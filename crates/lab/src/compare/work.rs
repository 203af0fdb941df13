//! The runs of `io` and `cpu`: work that ends.

use std::io;
use std::time::Duration;

use switchboard_runtime::Model;

use super::cell::CellSpec;
use super::findings;
use super::measured::Measured;
use super::mistakes::{Habit, HabitSpec};
use super::rows::{Row, Workload};
use super::run::{Cell, Shown, by_turns, cells, in_child, noted, spec};
use super::{computing_jobs, habits, jobs, latency, rounds, table};
use crate::children::{Server, Work};
use crate::experiment::Lab;
use crate::machine::cores;
use crate::report::Section;
use crate::rounds::Rounds;
use crate::text::count;
use crate::unit;
use crate::watch::Disturbance;

impl Shown for (Habit, Duration) {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn estimate(&self) -> Duration {
        self.1
    }
}

fn work_figures(measured: &Measured) -> Vec<f64> {
    let Measured {
        wall_s,
        user_s,
        system_s,
        peak_rss_bytes,
        ..
    } = *measured;
    // The kernel tells their sum exactly, and how it divides them by samples.
    vec![wall_s, user_s + system_s, peak_rss_bytes as f64]
}

pub(super) fn fetching(lab: &Lab) -> io::Result<Section> {
    let (jobs, pages, latency) = (jobs(lab), lab.sizes.pages, latency(lab));
    let millis = format!("{}ms", latency.as_micros() as f64 / 1000.0);
    let site = lab.serve(&["serve", "slow-site", "--latency", &millis])?;
    let cells = cells(lab, Workload::Io, |row| match row.model {
        Model::Blocking => latency * (jobs * pages) as u32,
        _ => latency * pages as u32,
    })?;
    let run = |cell: &Cell| {
        let spec = CellSpec {
            addr: Some(site.addr()),
            ..spec(lab, Workload::Io, cell.row)
        };
        Ok(work_figures(&in_child(lab, spec, None)?))
    };
    // The site and the program are read and paged in by then.
    lab.begin("io, warming up");
    if let Some(fast) = cells.iter().find(|cell| cell.row.model != Model::Blocking) {
        run(fast)?;
    }
    let (trials, disturbance) = by_turns(lab, Workload::Io, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let mut section = Section {
        title: "Fetching slow pages".to_owned(),
        settings: vec![
            format!(
                "{}, each fetches {} one after another, {} a page; at best {}",
                count(jobs, "job"),
                count(pages, "page"),
                unit::seconds(latency.as_secs_f64()),
                unit::seconds(latency.as_secs_f64() * pages as f64),
            ),
            format!(
                "mistakes: {} under tasks, each with one pause, look-up or page of {}",
                count(jobs, "job"),
                unit::seconds(latency.as_secs_f64())
            ),
        ],
        ..table::work(Workload::Io, &rows, trials)
    };
    findings::add(&mut section);
    let more = match lab.models.contains(&Model::Tasks) {
        true => measure_habits(lab, &site, &mut section),
        false => None,
    };
    noted(&mut section, [disturbance, more]);
    Ok(section)
}

/// Measures what mistakes in coroutines cost.
fn measure_habits(lab: &Lab, site: &Server, section: &mut Section) -> Option<Disturbance> {
    let (jobs, latency) = (jobs(lab), latency(lab));
    let pairs = Habit::PAIRS.iter();
    let cells: Vec<(Habit, Duration)> = pairs
        .flat_map(|&(right, wrong)| [(right, latency), (wrong, latency * jobs as u32)])
        .collect();
    let rounds = Rounds {
        budget: rounds(lab).budget / 4,
        ..rounds(lab)
    };
    let run = |cell: &(Habit, Duration)| {
        let spec = HabitSpec {
            habit: cell.0,
            jobs,
            latency,
            site: site.addr(),
        };
        let done = lab.work(&Work::Habit(spec), None)?;
        let measured: Measured = serde_json::from_value(done.found)?;
        Ok(vec![measured.wall_s, measured.user_s + measured.system_s])
    };
    let (trials, disturbance) = by_turns(lab, Workload::Io, &cells, &rounds, run);
    let measured: Vec<Habit> = cells.iter().map(|cell| cell.0).collect();
    section.tables.push(habits::table(&measured, trials));
    findings::add_habits(section);
    disturbance
}

pub(super) fn computing(lab: &Lab) -> io::Result<Section> {
    let jobs = computing_jobs(lab);
    let estimate = Duration::from_millis(30) * (jobs as u32 + 1);
    let cells = cells(lab, Workload::Cpu, |_| estimate)?;
    let run = |cell: &Cell| {
        let spec = CellSpec {
            jobs,
            ..spec(lab, Workload::Cpu, cell.row)
        };
        Ok(work_figures(&in_child(lab, spec, None)?))
    };
    let (trials, disturbance) = by_turns(lab, Workload::Cpu, &cells, &rounds(lab), run);
    let rows: Vec<Row> = cells.iter().map(|cell| cell.row).collect();
    let mut section = Section {
        title: "Computing".to_owned(),
        settings: vec![format!(
            "{} of 7777^200000 by num-bigint",
            count(jobs, "job")
        )],
        ..table::work(Workload::Cpu, &rows, trials)
    };
    findings::add(&mut section);
    if cores().len() == 1 {
        section.warnings.push(
            "one core: nothing can compute beside anything else, so these times say nothing of machines with more"
                .to_owned(),
        );
    }
    noted(&mut section, [disturbance, None]);
    Ok(section)
}
