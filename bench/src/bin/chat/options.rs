//! The options of the command line.

use std::fmt::Display;
use std::net::SocketAddr;

use switchboard_bench::contenders::{Contender, Service, chat, chat_beside};

/// The loads that can be measured.
pub const LOADS: [&str; 4] = ["connect", "talk", "frozen", "echo"];

/// Rooms, and messages of each that are under way.
pub const LAYOUTS: [(usize, usize); 5] = [(1, 1), (10, 1), (100, 1), (1000, 1), (10, 8)];

pub struct Options {
    pub loads: Vec<String>,
    pub rounds: usize,
    pub seconds: f64,
    pub clients: usize,
    /// Messages a second that are said at fixed moments.
    pub rate: u64,
    pub json: Option<String>,
    /// Where the server listens, in the process of its clients.
    pub target: Option<SocketAddr>,
    /// The server's core, and that of the clients.
    pub cores: (usize, usize),
    against: String,
    only: Vec<String>,
    beside: Option<String>,
}

pub fn options() -> Result<Options, String> {
    let cores = switchboard_lab::cores();
    let first = cores.first().copied().unwrap_or(0);
    let mut options = Options {
        loads: LOADS.map(str::to_owned).to_vec(),
        rounds: 3,
        seconds: 4.0,
        clients: 10_000,
        rate: 1000,
        json: None,
        target: None,
        cores: (first, cores.get(1).copied().unwrap_or(first)),
        against: "tokio-tungstenite".to_owned(),
        only: vec!["all".to_owned()],
        beside: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let names = || value.split(',').map(str::to_owned).collect();
        let wrong = |error: &dyn Display| format!("{word} {value}: {error}");
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|error| wrong(&error))?,
            "--seconds" => options.seconds = value.parse().map_err(|error| wrong(&error))?,
            "--clients" => options.clients = value.parse().map_err(|error| wrong(&error))?,
            "--rate" => options.rate = value.parse().map_err(|error| wrong(&error))?,
            "--target" => options.target = Some(value.parse().map_err(|error| wrong(&error))?),
            "--against" => options.against = value,
            "--only" => options.only = names(),
            "--loads" => options.loads = names(),
            "--json" => options.json = Some(value),
            "--beside" => options.beside = Some(value),
            _ => return Err(format!("{word} is not known; see bench/README.md")),
        }
    }
    if let Some(name) = options.loads.iter().find(|name| !LOADS.contains(&&***name)) {
        return Err(format!("{name} is no load; see bench/README.md"));
    }
    if options.clients == 0 || !options.clients.is_multiple_of(1000) {
        return Err("--clients: use thousands, which all rooms divide".to_owned());
    }
    Ok(options)
}

impl Options {
    /// Returns the reference, and who is compared with it.
    pub fn contenders(&self, service: Service) -> Result<(Contender, Vec<Contender>), String> {
        let mut all = chat(service);
        if let Some(program) = &self.beside
            && service != Service::WebSocket
        {
            all.extend(chat_beside(program));
        }
        let unknown = |name: &str| format!("{name} is no contender; see bench/README.md");
        let mut known = chat(Service::Frozen);
        known.extend(all.iter().cloned());
        let is_known = |name: &str| name == "all" || known.iter().any(|one| one.name == name);
        if let Some(name) = self.only.iter().find(|name| !is_known(name)) {
            return Err(unknown(name));
        }
        let at = all.iter().position(|one| one.name == self.against);
        let reference = all.remove(at.ok_or_else(|| unknown(&self.against))?);
        let everyone = self.only.iter().any(|name| name == "all");
        all.retain(|one| everyone || self.only.contains(&one.name));
        Ok((reference, all))
    }
}
