//! The options, and the servers that are measured.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::slow::{KINDS, Kind};

pub struct Options {
    pub slow: Option<usize>,
    pub honest: usize,
    pub turns: usize,
    pub time: Duration,
    pub only: Vec<String>,
    pub memory: bool,
    /// The server's core, and that of the clients.
    pub cores: (usize, usize),
    /// Where the server listens, in the process of the slow clients.
    pub target: Option<SocketAddr>,
    pub kinds: Vec<Kind>,
    server: Vec<String>,
}

/// A server to measure.
pub struct Row {
    pub name: String,
    pub words: Vec<String>,
    /// Whether it is a proxy, and its back end's address is to follow.
    pub is_proxy: bool,
    pub slow: usize,
    /// Whether its honest clients are to see no difference.
    pub is_limited: bool,
}

/// The rows: a name, a command line, the slow clients, and whether the honest ones are to see no difference.
const ROWS: [(&str, &str, usize, bool); 9] = [
    ("raw", "http-raw-hold 127.0.0.1:0", 9_000, false),
    (
        "tasks/epoll",
        "http-switchboard 127.0.0.1:0 uploads tasks epoll",
        9_000,
        true,
    ),
    (
        "tasks/uring",
        "http-switchboard 127.0.0.1:0 uploads tasks uring",
        9_000,
        true,
    ),
    (
        "green/epoll",
        "http-switchboard 127.0.0.1:0 uploads green epoll",
        9_000,
        true,
    ),
    (
        "proxy tasks/epoll",
        "switchboard serve proxy --model tasks",
        9_000,
        false,
    ),
    (
        "threads",
        "http-switchboard 127.0.0.1:0 uploads threads",
        9_000,
        false,
    ),
    (
        "proxy threads",
        "switchboard serve proxy --model threads",
        9_000,
        false,
    ),
    (
        "proxy pool",
        "switchboard serve proxy --model pool",
        9_000,
        false,
    ),
    (
        "proxy processes",
        "switchboard serve proxy --model processes",
        1_000,
        false,
    ),
];

impl Options {
    /// Returns the servers to measure.
    pub fn rows(&self) -> io::Result<Vec<Row>> {
        let row = |name: &str, words: Vec<String>, slow, is_limited| Row {
            name: name.to_owned(),
            is_proxy: words.iter().any(|word| word == "proxy"),
            words,
            slow: self.slow.unwrap_or(slow),
            is_limited,
        };
        if !self.server.is_empty() {
            return Ok(vec![row("server", self.server.clone(), 9_000, false)]);
        }
        let mut rows = Vec::new();
        for (name, line, slow, is_limited) in ROWS {
            if !self.only.is_empty() && !self.only.iter().any(|one| one == name) {
                continue;
            }
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            words[0] = program(&words[0])?.display().to_string();
            if words.iter().any(|word| word == "serve") {
                words.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
            }
            rows.push(row(name, words, slow, is_limited));
        }
        Ok(rows)
    }

    /// Returns the command line of the proxies' back end.
    pub fn backend() -> io::Result<Vec<String>> {
        let program = program("http-switchboard")?.display().to_string();
        let words = "127.0.0.1:0 uploads tasks epoll";
        let words = words.split(' ').map(str::to_owned);
        Ok([program].into_iter().chain(words).collect())
    }
}

/// Returns where a program of the bench is, or the command, which another workspace builds.
fn program(name: &str) -> io::Result<PathBuf> {
    let here = env::current_exe()?;
    let folder = here.parent().unwrap_or(&here);
    let path = match name {
        "switchboard" => folder.join("../../../target/release/switchboard"),
        _ => folder.join(name),
    };
    path.canonicalize().map_err(|error| {
        let text = format!("{}: {error}; build it with --release", path.display());
        io::Error::new(error.kind(), text)
    })
}

/// Reads the command line.
pub fn options() -> Result<Options, String> {
    let mut options = Options {
        slow: None,
        honest: 50,
        turns: 5,
        time: Duration::from_secs(8),
        only: Vec::new(),
        memory: false,
        cores: cores(),
        target: None,
        kinds: KINDS.to_vec(),
        server: Vec::new(),
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--" => {
                options.server = words.collect();
                break;
            }
            "memory" => {
                options.memory = true;
                continue;
            }
            _ => {}
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let wrong = || format!("{word} {value}: use a number");
        let number = || value.parse::<usize>().map_err(|_| wrong());
        match word.as_str() {
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            "--slow" => options.slow = Some(number()?),
            "--honest" => options.honest = number()?.max(1),
            "--turns" => options.turns = number()?.max(1),
            "--seconds" => options.time = Duration::from_secs(number()? as u64),
            "--target" => options.target = Some(value.parse().map_err(|_| wrong())?),
            "--kinds" => {
                let kinds = value.split(',').map(|one| Kind::named(one.parse().ok()?));
                options.kinds = kinds.collect::<Option<_>>().ok_or_else(wrong)?;
            }
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(options)
}

/// Returns a core for the servers and one for the clients: the same where there is one only.
fn cores() -> (usize, usize) {
    let cores = switchboard_lab::cores();
    let first = cores.first().copied().unwrap_or(0);
    (first, cores.get(1).copied().unwrap_or(first))
}
