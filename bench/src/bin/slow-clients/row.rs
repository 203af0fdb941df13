//! The measurement of one server: turns with its honest clients alone, beside slow ones of its own, and beside
//! those of another process of the same program on the same core.

use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::crowd::Crowd;
use crate::honest::{Seen, ask};
use crate::options::{Options, Row};
use crate::server::{Said, Server, system_memory};

/// All kinds, one after another.
const ALL: &str = "0,1,2,3,4";
/// The time that a server gets to see that the clients of a turn have gone.
const GONE: Duration = Duration::from_secs(2);

/// One window of measuring: the honest clients' answers, and the share of a core that the server used.
pub struct Window {
    pub seen: Seen,
    pub cpu: f64,
}

pub struct Turn {
    pub alone: Window,
    pub beside: Window,
    /// The control: the same slow clients are held by another process of the server's program, on the same core.
    pub elsewhere: Window,
    /// How many slow clients were held at the beginning of the window, and at its end.
    pub held: (usize, usize),
    /// Bytes of the server, and of the system for sockets, more than before the slow clients.
    pub memory: u64,
    pub system: u64,
}

pub struct Measured {
    pub turns: Vec<Turn>,
    pub endings: String,
    pub said: Said,
}

pub fn measure(row: &Row, options: &Options, folder: &Path) -> io::Result<Measured> {
    let servers = Servers::start(row, options, folder)?;
    // Memory that it takes once.
    ask(servers.server.addr, options.honest, Duration::from_secs(1))?;
    let before = servers.server.memory();
    let mut turns = Vec::new();
    let mut endings = String::new();
    for at in 1..=options.turns {
        let alone = window(&servers.server, options)?;
        let elsewhere = {
            let _crowd = Crowd::start(servers.other.addr, row.slow, ALL, options.cores.1)?;
            window(&servers.server, options)?
        };
        sleep(GONE);
        let empty = system_memory()?;
        let mut crowd = Crowd::start(servers.server.addr, row.slow, ALL, options.cores.1)?;
        let beside = window(&servers.server, options)?;
        turns.push(Turn {
            alone,
            beside,
            elsewhere,
            held: (crowd.held, crowd.count()?),
            memory: servers.server.memory().saturating_sub(before),
            system: system_memory()?.saturating_sub(empty),
        });
        if at == options.turns && row.name != "raw" {
            endings = crowd.endings()?;
        }
        drop(crowd);
        sleep(GONE);
    }
    let said = servers.server.said()?;
    Ok(Measured {
        turns,
        endings,
        said,
    })
}

fn window(server: &Server, options: &Options) -> io::Result<Window> {
    let before = server.cpu();
    let seen = ask(server.addr, options.honest, options.time)?;
    let cpu = (server.cpu() - before).as_secs_f64() / options.time.as_secs_f64();
    Ok(Window { seen, cpu })
}

/// A server, a second one like it, and the back ends of both.
pub struct Servers {
    pub server: Server,
    other: Server,
    _backends: Vec<Server>,
}

impl Servers {
    pub fn start(row: &Row, options: &Options, folder: &Path) -> io::Result<Servers> {
        let mut backends = Vec::new();
        let mut start = || {
            let mut words = row.words.clone();
            if row.is_proxy {
                let backend = Server::start(&Options::backend()?, options.cores.1, folder)?;
                words.extend(["--to".to_owned(), format!("http://{}", backend.addr)]);
                backends.push(backend);
            }
            Server::start(&words, options.cores.0, folder)
        };
        Ok(Servers {
            server: start()?,
            other: start()?,
            _backends: backends,
        })
    }
}
