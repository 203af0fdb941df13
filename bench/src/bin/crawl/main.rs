//! Crawlers over one site: what each of its pages costs them, and whether they get all of them.
//!
//! `crawl [--only NAMES] [--rounds N] [--root DIR]`
//!
//! The site is a folder that `switchboard serve files` serves on one core; the crawlers run on the other one, by turns.
//! What they got is counted by the server's access log.

mod contender;
mod run;

use std::collections::BTreeSet;
use std::path::PathBuf;

use contender::Contender;
use run::{Run, run};

/// The tree of the Debian package `rust-doc`.
const ROOT: &str = "/usr/share/doc/rust-doc/html";

struct Options {
    only: Vec<String>,
    rounds: usize,
    root: PathBuf,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        only: Vec::new(),
        rounds: 3,
        root: ROOT.into(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            "--rounds" => options.rounds = value.parse().map_err(|_| "--rounds N")?,
            "--root" => options.root = value.into(),
            _ => {
                return Err(format!(
                    "unknown option {word}: use --only, --rounds or --root"
                ));
            }
        }
    }
    if !options.root.join("index.html").exists() {
        return Err(format!(
            "no index.html in {}: install Debian's rust-doc, or name another folder by --root",
            options.root.display()
        ));
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let mut contenders = contender::all();
    if !options.only.is_empty() {
        contenders.retain(|it| options.only.iter().any(|name| *name == it.name));
    }
    let mut runs: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 1..=options.rounds {
        for (contender, runs) in contenders.iter().zip(&mut runs) {
            eprint!("\r\x1b[K{round}/{}: {}", options.rounds, contender.name);
            match run(contender, &options.root) {
                Ok(run) => runs.push(run),
                Err(error) => eprintln!("\r\x1b[K{}: {error}", contender.name),
            }
        }
    }
    eprintln!("\r\x1b[K");
    table(&contenders, &runs);
    Ok(())
}

fn table(contenders: &[Contender], runs: &[Vec<Run>]) {
    let all = runs.iter().flatten().map(|run| &run.pages);
    let union: BTreeSet<&String> = all.flatten().collect();
    println!(
        "| crawler | pages | of all that any found | asked twice | pages/s | CPU ms a page (min–max) | memory MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (contender, runs) in contenders.iter().zip(runs) {
        let Some(last) = runs.last() else {
            println!("| {} | failed |", contender.name);
            continue;
        };
        let cost = |run: &Run| run.cpu.as_secs_f64() * 1e3 / run.pages.len().max(1) as f64;
        let speed = |run: &Run| run.pages.len() as f64 / run.wall.as_secs_f64();
        let costs = sorted(runs.iter().map(cost));
        let speeds = sorted(runs.iter().map(speed));
        let memory = sorted(runs.iter().map(|run| run.memory as f64 / 1024.0));
        println!(
            "| {} | {} | {:.2} % | {} | {:.0} | {:.3} ({:.3}–{:.3}) | {:.0} |",
            contender.name,
            last.pages.len(),
            last.pages.len() as f64 * 100.0 / union.len().max(1) as f64,
            last.requests - last.distinct,
            speeds[speeds.len() / 2],
            costs[costs.len() / 2],
            costs[0],
            costs[costs.len() - 1],
            memory[memory.len() / 2],
        );
        if std::env::var_os("MISSED").is_some() {
            for page in union
                .iter()
                .filter(|page| !last.pages.contains(**page))
                .take(20)
            {
                eprintln!("{} has not asked for {page}", contender.name);
            }
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
