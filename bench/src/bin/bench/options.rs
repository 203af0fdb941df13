//! The options of the command line.

use std::fmt::Display;

use switchboard_bench::contenders::{self, Contender};

use crate::loads::{LOADS, Load};

/// The contenders that run when none is named.
const USUAL: [&str; 8] = [
    "raw-epoll",
    "raw-uring",
    "tasks/epoll",
    "tasks/uring",
    "green/epoll",
    "callbacks/epoll",
    "tokio",
    "monoio",
];

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) json: Option<String>,
    against: String,
    only: Vec<String>,
    loads: Vec<String>,
    beside: Option<String>,
}

pub(crate) fn read() -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        seconds: 4.0,
        json: None,
        against: "raw-epoll".to_owned(),
        only: USUAL.map(str::to_owned).to_vec(),
        loads: Vec::new(),
        beside: None,
    };
    options.loads = LOADS
        .iter()
        .filter(|load| load.usual)
        .map(|load| load.name.to_owned())
        .collect();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let names = || value.split(',').map(str::to_owned).collect();
        let wrong = |error: &dyn Display| format!("{word} {value}: {error}");
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|error| wrong(&error))?,
            "--seconds" => options.seconds = value.parse().map_err(|error| wrong(&error))?,
            "--against" => options.against = value,
            "--only" => options.only = names(),
            "--loads" => options.loads = names(),
            "--json" => options.json = Some(value),
            "--beside" => options.beside = Some(value),
            _ => return Err(format!("{word} is not known; see bench/README.md")),
        }
    }
    Ok(options)
}

impl Options {
    /// The reference, and who is compared with it.
    pub(crate) fn contenders(&self) -> Result<(Contender, Vec<Contender>), String> {
        let mut all = contenders::built();
        all.extend(self.beside.iter().flat_map(|one| contenders::beside(one)));
        let unknown = |all: &[Contender]| {
            let mut named = self.only.iter().chain([&self.against]);
            named
                .find(|name| all.iter().all(|one| one.name != **name))
                .cloned()
        };
        // To find out what else this machine can run takes a while.
        if unknown(&all).is_some() {
            all.extend(contenders::elsewhere());
        }
        let everyone = self.only.iter().any(|name| name == "all");
        if let Some(name) = unknown(&all)
            && !everyone
        {
            return Err(format!("{name} is no contender here; see bench/README.md"));
        }
        let at = all.iter().position(|one| one.name == self.against);
        let at = at.ok_or_else(|| format!("{} is no contender here", self.against))?;
        let reference = all.remove(at);
        let chosen = |name: &str| self.only.iter().any(|only| only == name);
        all.retain(|one| {
            let name = one.name.strip_prefix("beside/").unwrap_or(&one.name);
            everyone || chosen(name) || chosen(&one.name)
        });
        Ok((reference, all))
    }

    pub(crate) fn loads(&self) -> Result<Vec<&'static Load>, String> {
        let known = |name: &String| name == "all" || LOADS.iter().any(|load| load.name == *name);
        if let Some(name) = self.loads.iter().find(|name| !known(name)) {
            return Err(format!("{name} is no load; see bench/README.md"));
        }
        let chosen = |name: &str| self.loads.iter().any(|one| one == name || one == "all");
        Ok(LOADS.iter().filter(|load| chosen(load.name)).collect())
    }
}
