//! Connections that come, say one thing and go.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use switchboard_bench::exchange::Exchange;

const AT_ONCE: usize = 50;

pub(crate) struct Churn {
    addr: SocketAddr,
    exchange: Exchange,
    answer: Vec<u8>,
    done: u64,
}

/// The server's address for the connection after `done` others. Ports that were used are not free for a while;
/// another address has all of them.
pub(crate) fn address(addr: SocketAddr, done: u64) -> SocketAddr {
    let ip = Ipv4Addr::new(127, 0, (done / 10_000 % 250) as u8, 1);
    (ip, addr.port()).into()
}

impl Churn {
    pub(crate) fn new(addr: SocketAddr, exchange: Exchange) -> Churn {
        Churn {
            addr,
            answer: vec![0; exchange.answer],
            exchange,
            done: 0,
        }
    }

    pub(crate) fn drive(&mut self, end: Instant) -> io::Result<u64> {
        let before = self.done;
        while Instant::now() < end {
            self.cycle()?;
        }
        Ok(self.done - before)
    }

    fn cycle(&mut self) -> io::Result<()> {
        let addr = address(self.addr, self.done);
        let mut streams = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE {
            let mut stream = TcpStream::connect(addr)?;
            stream.write_all(&self.exchange.request)?;
            streams.push(stream);
        }
        for stream in &mut streams {
            stream.read_exact(&mut self.answer)?;
            self.exchange.check(&self.answer)?;
        }
        self.done += AT_ONCE as u64;
        Ok(())
    }
}
