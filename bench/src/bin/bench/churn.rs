//! Connections that come, say one thing and go.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

const AT_ONCE: usize = 50;

pub(crate) struct Churn {
    addr: SocketAddr,
    done: u64,
}

impl Churn {
    pub(crate) fn new(addr: SocketAddr) -> Churn {
        Churn { addr, done: 0 }
    }

    pub(crate) fn drive(&mut self, end: Instant) -> io::Result<u64> {
        let before = self.done;
        while Instant::now() < end {
            self.cycle()?;
        }
        Ok(self.done - before)
    }

    fn cycle(&mut self) -> io::Result<()> {
        // Ports that were used are not free for a while; another address has all of them.
        let ip = Ipv4Addr::new(127, 0, (self.done / 10_000 % 250) as u8, 1);
        let mut streams = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE {
            let mut stream = TcpStream::connect((ip, self.addr.port()))?;
            stream.write_all(&[b'x'; 64])?;
            streams.push(stream);
        }
        for stream in &mut streams {
            stream.read_exact(&mut [0; 64])?;
        }
        self.done += AT_ONCE as u64;
        Ok(())
    }
}
