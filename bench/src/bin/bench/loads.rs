//! The loads that servers are put to.

use std::io;
use std::time::Instant;

use switchboard_bench::backend::Backend;
use switchboard_bench::clients::Clients;
use switchboard_bench::contenders::{Server, Service};
use switchboard_bench::exchange::Exchange;
use switchboard_bench::site::Site;

use crate::churn::Churn;
use crate::handshakes::Handshakes;

pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether it runs when no load is named.
    pub(crate) usual: bool,
    pub(crate) service: Service,
    /// The contender that is the reference unless `--against` names another.
    pub(crate) against: &'static str,
    pub(crate) work: Work,
}

/// The request that clients of a load send.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// So many bytes, back again.
    Echo(usize),
    /// A path, and the length of its body.
    Get(&'static str, usize),
}

pub(crate) enum Work {
    /// So many connections, each of which asks again when it is answered; so many requests of each under way.
    Loops(usize, usize, Ask),
    /// Connections that ask once.
    Churn(Ask),
    /// TLS connections that ask once.
    Handshakes,
    /// So many connections that have asked once.
    Idle(usize, Ask),
    Micro,
}

const fn echo(name: &'static str, what: &'static str, usual: bool, work: Work) -> Load {
    Load {
        name,
        what,
        usual,
        service: Service::Echo,
        against: "raw-epoll",
        work,
    }
}

const fn http(
    name: &'static str,
    what: &'static str,
    service: Service,
    against: &'static str,
    work: Work,
) -> Load {
    Load {
        name,
        what,
        usual: true,
        service,
        against,
        work,
    }
}

use Service::{Files, Hello, Proxy, Tls};
use Work::{Churn as Churns, Idle, Loops, Micro};

const HELLO: Ask = Ask::Get("/hello", 13);
const RAW: &str = "raw-epoll";

#[rustfmt::skip]
pub(crate) const LOADS: [Load; 19] = [
    echo("64x1", "64 bytes, one connection", true, Loops(1, 1, Ask::Echo(64))),
    echo("64x50", "64 bytes, 50 connections", true, Loops(50, 1, Ask::Echo(64))),
    echo("64x1000", "64 bytes, 1,000 connections", true, Loops(1000, 1, Ask::Echo(64))),
    echo("16Kx50", "16 KiB, 50 connections", true, Loops(50, 1, Ask::Echo(16 * 1024))),
    echo("churn", "connect, one echo of 64 bytes, close; 50 at once", true, Churns(Ask::Echo(64))),
    echo("pipe16", "64 bytes, 50 connections, 16 messages of each under way", false, Loops(50, 16, Ask::Echo(64))),
    echo("idle", "10,000 connections after one round trip each", false, Idle(10_000, Ask::Echo(64))),
    echo("micro", "a loop's own moves, ns (spread)", false, Micro),
    http("13x50", "answers of 13 bytes, 50 connections", Hello, RAW, Loops(50, 1, HELLO)),
    http("13x1000", "answers of 13 bytes, 1,000 connections", Hello, RAW, Loops(1000, 1, HELLO)),
    http("4Kx50", "files of 4 KiB, 50 connections", Files, RAW, Loops(50, 1, Ask::Get("/4096.txt", 4 << 10))),
    http("100Kx50", "files of 100 KiB, 50 connections", Files, RAW, Loops(50, 1, Ask::Get("/102400.txt", 100 << 10))),
    http("1Mx10", "files of 1 MiB, 10 connections", Files, RAW, Loops(10, 1, Ask::Get("/1048576.txt", 1 << 20))),
    http("connect", "connect, an answer of 13 bytes, close; 50 at once", Hello, RAW, Churns(HELLO)),
    http("tls", "a full TLS 1.3 handshake, an answer of 13 bytes, close; 10 at once", Tls, "hyper", Work::Handshakes),
    http("proxy13x50", "answers of 13 bytes through a proxy, 50 connections", Proxy, "haproxy", Loops(50, 1, HELLO)),
    http("proxy13x1000", "answers of 13 bytes through a proxy, 1,000 connections", Proxy, "haproxy", Loops(1000, 1, HELLO)),
    http("proxy16Kx50", "answers of 16 KiB through a proxy, 50 connections", Proxy, "haproxy", Loops(50, 1, Ask::Get("/", 16 << 10))),
    http("memory", "5,000 keep-alive connections after one answer each", Hello, RAW, Idle(5_000, HELLO)),
];

/// The clients that drive one server.
pub(crate) enum Drive {
    Loops(Clients),
    Churn(Churn),
    Handshakes(Handshakes),
}

impl Ask {
    /// Returns what clients send and expect, after a first answer was looked at, and the head of that one.
    pub(crate) fn exchange(
        self,
        server: &Server,
        backend: Option<&mut Backend>,
    ) -> io::Result<(Exchange, String)> {
        match self {
            Ask::Echo(message) => Ok((Exchange::echo(message), String::new())),
            Ask::Get(path, length) => Exchange::get(server.addr, path, length, backend),
        }
    }
}

impl Load {
    /// Returns the back end that a server is to be started with, if this load needs one.
    pub(crate) fn backend(&self) -> io::Result<Option<Backend>> {
        match (self.service, &self.work) {
            (Service::Proxy, Work::Loops(_, _, Ask::Get(_, length))) => {
                Backend::new(*length).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the clients of a server, without connections yet, and the head of a first answer; `spins` as
    /// in [`Clients::new`].
    pub(crate) fn drive(
        &self,
        server: &Server,
        mut backend: Option<Backend>,
        site: &Site,
        spins: bool,
    ) -> io::Result<(Drive, String)> {
        match self.work {
            Work::Loops(_, depth, ask) => {
                let (exchange, head) = ask.exchange(server, backend.as_mut())?;
                let clients = Clients::new(exchange, depth, spins)?;
                let clients = match backend {
                    Some(backend) => clients.serving(backend),
                    None => clients,
                };
                Ok((Drive::Loops(clients), head))
            }
            Work::Churn(ask) | Work::Idle(_, ask) => {
                let (exchange, head) = ask.exchange(server, None)?;
                Ok((Drive::Churn(Churn::new(server.addr, exchange)), head))
            }
            Work::Handshakes => {
                let (handshakes, head) = Handshakes::new(server.addr, site)?;
                Ok((Drive::Handshakes(handshakes), head))
            }
            Work::Micro => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The connections that stay.
    pub(crate) fn connections(&self) -> usize {
        match self.work {
            Work::Loops(connections, ..) => connections,
            _ => 0,
        }
    }
}

impl Drive {
    pub(crate) fn connect(&mut self, server: &Server) -> io::Result<()> {
        match self {
            Drive::Loops(clients) => clients.connect(server.addr),
            Drive::Churn(_) | Drive::Handshakes(_) => Ok(()),
        }
    }

    /// Drives until a moment, and waits for what is under way; how many round trips that made.
    pub(crate) fn until(&mut self, end: Instant) -> io::Result<u64> {
        match self {
            Drive::Loops(clients) => clients.drive(end),
            Drive::Churn(churn) => churn.drive(end),
            Drive::Handshakes(handshakes) => handshakes.drive(end),
        }
    }
}
