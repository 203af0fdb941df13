//! The options of the command line.

use std::fmt::Display;

use switchboard_bench::contenders::{self, Contender, Service};

use crate::loads::{LOADS, Load};

/// The echo servers that run when none is named.
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
    /// Whether contenders are only shown.
    pub(crate) show: bool,
    http: bool,
    against: Option<String>,
    only: Vec<String>,
    loads: Vec<String>,
    beside: Option<String>,
}

/// The reference, and the contenders that are compared with it.
pub(crate) type Contenders = (Contender, Vec<Contender>);

pub(crate) fn read() -> Result<Options, String> {
    let mut words = std::env::args().skip(1).peekable();
    let http = words.next_if(|word| word == "http").is_some();
    let mut options = Options {
        rounds: 5,
        seconds: 4.0,
        json: None,
        show: false,
        http,
        against: None,
        only: match http {
            true => vec!["all".to_owned()],
            false => USUAL.map(str::to_owned).to_vec(),
        },
        loads: Vec::new(),
        beside: None,
    };
    let usual = LOADS.iter().filter(|load| load.usual && options.has(load));
    options.loads = usual.map(|load| load.name.to_owned()).collect();
    while let Some(word) = words.next() {
        if word == "--show" {
            options.show = true;
            continue;
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let names = || value.split(',').map(str::to_owned).collect();
        let wrong = |error: &dyn Display| format!("{word} {value}: {error}");
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|error| wrong(&error))?,
            "--seconds" => options.seconds = value.parse().map_err(|error| wrong(&error))?,
            "--against" => options.against = Some(value),
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
    /// Whether a load belongs to what is measured, echo or HTTP.
    fn has(&self, load: &Load) -> bool {
        self.http == (load.service != Service::Echo)
    }

    /// The reference of a load, and who is compared with it.
    pub(crate) fn contenders(&self, load: &Load) -> Result<Contenders, String> {
        let against = self.against.as_deref().unwrap_or(load.against);
        let mut all = self.all(load.service, against);
        let at = all.iter().position(|one| one.name == against);
        let at =
            at.ok_or_else(|| format!("{against} is no contender here; see bench/README.md"))?;
        let reference = all.remove(at);
        let everyone = self.only.iter().any(|name| name == "all");
        let chosen = |name: &str| self.only.iter().any(|only| only == name);
        all.retain(|one| {
            let name = one.name.strip_prefix("beside/").unwrap_or(&one.name);
            everyone || chosen(name) || chosen(&one.name)
        });
        Ok((reference, all))
    }

    fn all(&self, service: Service, against: &str) -> Vec<Contender> {
        let beside = self.beside.iter();
        if service != Service::Echo {
            let mut all = contenders::http(service);
            all.extend(beside.flat_map(|one| contenders::http_beside(service, one)));
            return all;
        }
        let mut all = contenders::built();
        all.extend(beside.flat_map(|one| contenders::beside(one)));
        // To find out what else this machine can run takes a while.
        let mut named = self.only.iter().map(String::as_str).chain([against]);
        if named.any(|name| all.iter().all(|one| one.name != name)) {
            all.extend(contenders::elsewhere());
        }
        all
    }

    pub(crate) fn loads(&self) -> Result<Vec<&'static Load>, String> {
        let all = || LOADS.iter().filter(|load| self.has(load));
        let known = |name: &String| name == "all" || all().any(|load| load.name == *name);
        if let Some(name) = self.loads.iter().find(|name| !known(name)) {
            return Err(format!("{name} is no load; see bench/README.md"));
        }
        let chosen = |name: &str| self.loads.iter().any(|one| one == name || one == "all");
        let loads: Vec<_> = all().filter(|load| chosen(load.name)).collect();
        self.check_names(&loads)?;
        Ok(loads)
    }

    /// Refuses names that no load has a contender of.
    fn check_names(&self, loads: &[&Load]) -> Result<(), String> {
        let mut names = vec!["all".to_owned()];
        for load in loads {
            let all = self.all(load.service, load.against);
            names.extend(all.into_iter().map(|one| one.name));
        }
        match self.only.iter().find(|name| !names.contains(name)) {
            Some(name) => Err(format!("{name} is no contender here; see bench/README.md")),
            None => Ok(()),
        }
    }
}
