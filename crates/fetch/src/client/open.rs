//! Connections for requests: idle ones, and new ones, straight or through proxies.

use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;

use switchboard_net::{Stream, connect_any};
use switchboard_tls::TlsClient;

use crate::connection::{ByteStream, ClientConnection};
use crate::descriptors::{look_up, with_descriptors};
use crate::error::{Error, Phase};
use crate::lease::Lease;
use crate::limits::Total;
use crate::pool::Key;
use crate::proxy::Proxy;
use crate::target::Origin;

use super::{Client, Inner};

/// The settings of TLS with HTTP/2 among the protocols, and with HTTP/1 alone.
#[derive(Clone)]
pub(super) struct Tls {
    both: TlsClient,
    one: TlsClient,
}

/// A connection for a request.
enum Opened {
    Idle(ClientConnection),
    New(Stream),
}

impl Client {
    /// Returns a connection, and whether it was idle before, which happens only if it `may_reuse` one.
    pub(super) async fn connection(
        &self,
        key: &Key,
        origin: &Origin,
        proxy: Option<&Proxy>,
        may_reuse: bool,
        total: Total,
    ) -> Result<(ClientConnection, bool), Error> {
        let Inner { pool, .. } = &*self.0;
        if may_reuse && let Some(idle) = pool.take(key).await {
            return Ok((idle, true));
        }
        let addrs = match proxy {
            Some(proxy) => self.resolve(&proxy.host, proxy.port, total).await?,
            None => self.resolve(&origin.host, origin.port, total).await?,
        };
        let open = || self.open(key, &addrs, may_reuse);
        let limits = &self.0.limits;
        let opened = with_descriptors(pool, limits, limits.connect, total, Phase::Connect, open);
        match opened.await? {
            Opened::Idle(connection) => Ok((connection, true)),
            Opened::New(stream) => {
                let begun = self.begin(key, origin, proxy, stream, total).await?;
                Ok((begun, false))
            }
        }
    }

    async fn resolve(&self, host: &str, port: u16, total: Total) -> Result<Vec<SocketAddr>, Error> {
        let Inner { pool, limits, .. } = &*self.0;
        let resolve = || look_up(host, port);
        with_descriptors(pool, limits, limits.resolve, total, Phase::Resolve, resolve).await
    }

    /// Connects, or takes a connection that has become idle while the flow waited for a descriptor.
    async fn open(&self, key: &Key, addrs: &[SocketAddr], may_reuse: bool) -> io::Result<Opened> {
        if may_reuse && let Some(idle) = self.0.pool.take(key).await {
            return Ok(Opened::Idle(idle));
        }
        connect_any(addrs).await.map(Opened::New)
    }

    /// Begins HTTP, and TLS for https, on a connected stream; through a proxy, if it does not send requests on itself.
    async fn begin(
        &self,
        key: &Key,
        origin: &Origin,
        proxy: Option<&Proxy>,
        stream: Stream,
        total: Total,
    ) -> Result<ClientConnection, Error> {
        let lease = Lease(self.0.pool.freed().clone());
        // A variable after the lease, so that it is dropped before the lease wherever this fails.
        let socket = stream;
        let limits = &self.0.limits;
        if let Some(proxy) = proxy.filter(|_| !key.forward) {
            let addr = match proxy.wants_address() {
                true => self.resolve(&origin.host, origin.port, total).await?,
                false => Vec::new(),
            };
            let tunnel = proxy.tunnel(&socket, origin, addr.first().copied());
            total.within(limits.connect, Phase::Proxy, tunnel).await?;
        }
        let peer = socket.peer_addr().ok().and_then(|addr| addr.as_tcp());
        let mut two = false;
        let stream: Box<dyn ByteStream> = match origin.secure {
            false => Box::new(socket),
            true => {
                let tls = self.tls()?;
                let client = if self.0.http2 && !key.old {
                    tls.both
                } else {
                    tls.one
                };
                let connect = client.connect(&origin.host, socket);
                let connected = total.within(limits.tls, Phase::Tls, connect).await?;
                two = connected.alpn() == Some(b"h2");
                Box::new(connected)
            }
        };
        let begun = async {
            match two {
                true => ClientConnection::two(stream, peer, lease).await,
                false => ClientConnection::one(stream, peer, lease).await,
            }
        };
        total.within(limits.connect, Phase::Connect, begun).await
    }

    fn tls(&self) -> Result<Tls, Error> {
        let mut made = self.0.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = &*made {
            return Ok(tls.clone());
        }
        let client = match &self.0.roots {
            Some(pem) => TlsClient::with_roots(pem),
            None => TlsClient::new(),
        };
        let client = client.map_err(|error| Error::new(Phase::Tls, error))?;
        let tls = Tls {
            both: client.clone().protocols(&["h2", "http/1.1"]),
            one: client.protocols(&["http/1.1"]),
        };
        *made = Some(tls.clone());
        Ok(tls)
    }
}
