//! Who the clients of a server are, and how many connections each may have.

use std::future::Future;
use std::io;
use std::sync::Arc;

use switchboard_net::Stream;

use super::Server;
use crate::addresses::Addresses;
use crate::proxies::Proxies;

impl Server {
    /// Sets how many connections one client address has at once: an IPv4 address, or an IPv6 network of 64
    /// bits. A further one is closed, or [refused](Server::refuse), and counted as refused; a notice says so,
    /// at most every ten seconds, and the hooks are not told of each. Worker threads count together, and each
    /// worker process counts for itself. Clients on Unix sockets have no address, unless a
    /// [proxy](Server::proxy_protocol) says it.
    ///
    /// ```
    /// use switchboard_server::Server;
    ///
    /// let server = Server::new().max_connections_per_address(100);
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn max_connections_per_address(mut self, connections: usize) -> Server {
        self.0.addresses = Some(Arc::new(Addresses::new(connections.max(1))));
        self
    }

    /// Sets what a connection is told that its address may not have, before it is closed. `refuse` has five
    /// seconds, and runs for 64 connections at once; further ones are closed without it, and so are all under
    /// the models `blocking` and `processes`.
    ///
    /// ```
    /// use switchboard_server::Server;
    ///
    /// let server = Server::new().max_connections_per_address(100).refuse(|stream| async move {
    ///     let answer = "HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    ///     // A client that has gone needs no answer.
    ///     let _ = stream.write_all(answer.as_bytes()).await;
    ///     let _ = stream.close().await;
    /// });
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn refuse<F>(mut self, refuse: impl Fn(Stream) -> F + Send + Sync + 'static) -> Server
    where
        F: Future<Output = ()> + 'static,
    {
        self.0.refuse = Some(Arc::new(move |stream| Box::pin(refuse(stream))));
        self
    }

    /// Believes the proxies in `networks` who their clients are, by the PROXY protocol, version 1 or 2:
    /// handlers, hooks and limits see the client's address as the peer's. Networks are written as `10.0.0.0/8`,
    /// addresses by themselves, and `unix` means all peers of Unix sockets.
    ///
    /// Such a proxy must send the header within five seconds; else its connection is closed and counts as
    /// failed. Other peers are clients, whose bytes are not looked at.
    ///
    /// # Errors
    /// `InvalidInput` for a text that is no network.
    ///
    /// ```
    /// use switchboard_server::Server;
    ///
    /// let server = Server::new().proxy_protocol(["10.0.0.0/8", "::1"])?;
    /// # drop(server);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn proxy_protocol<'a>(
        mut self,
        networks: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Server> {
        self.0.proxies = Some(Arc::new(Proxies::parse(networks.into_iter())?));
        Ok(self)
    }
}
