//! TLS connections that come, ask once and go, with a full handshake each.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use switchboard::tls::rustls::client::Resumption;
use switchboard::tls::rustls::crypto::{CryptoProvider, ring};
use switchboard::tls::rustls::pki_types::pem::PemObject;
use switchboard::tls::rustls::pki_types::{CertificateDer, ServerName};
use switchboard::tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, version,
};
use switchboard_bench::exchange::Exchange;
use switchboard_bench::site::Site;

use crate::churn::address;

const AT_ONCE: usize = 10;

pub(crate) struct Handshakes {
    addr: SocketAddr,
    config: Arc<ClientConfig>,
    exchange: Exchange,
    answer: Vec<u8>,
    done: u64,
}

impl Handshakes {
    /// Asks once, and returns the head of the answer too.
    pub(crate) fn new(addr: SocketAddr, site: &Site) -> io::Result<(Handshakes, String)> {
        let config = Arc::new(config(&site.certificate()?).map_err(io::Error::other)?);
        let mut stream = open(addr, &config)?;
        let none = || Err(io::ErrorKind::TimedOut.into());
        let (exchange, head) = Exchange::get_on(&mut stream, "/hello", 13, none)?;
        let handshakes = Handshakes {
            addr,
            config,
            answer: vec![0; exchange.answer],
            exchange,
            done: 0,
        };
        Ok((handshakes, head))
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
            let mut stream = open(addr, &self.config)?;
            stream.conn.write_tls(&mut stream.sock)?;
            streams.push(stream);
        }
        for stream in &mut streams {
            stream.write_all(&self.exchange.request)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut self.answer)?;
            self.exchange.check(&self.answer)?;
        }
        self.done += AT_ONCE as u64;
        Ok(())
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn open(addr: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let client = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(client, stream))
}

/// The same handshake for every server: TLS 1.3, X25519, AES-128-GCM, no resumption.
fn config(certificate: &[u8]) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate)?)?;
    let provider = CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}
