//! TLS in front of the services that speak HTTP.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use switchboard_apps::access::Access;
use switchboard_http::{Body, HttpServer, Request, Response};
use switchboard_net::Stream;
use switchboard_runtime::Dispatch;
use switchboard_server::{Bound, Server};
use switchboard_tls::{PlainText, TlsServer};

use super::options::{Options, WorkersAs};
use super::redirect;
use crate::log::Log;
use crate::output::{Count, Failure};

/// The answer to a client that speaks HTTP without TLS.
const SPEAK_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
content-length: 48\r\n\r\nThis port speaks HTTP with TLS only: use https.\n";

/// The answer to a client without TLS whose address has as many connections as it may have.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-type: text/plain\r\n\
content-length: 40\r\n\r\nToo many connections from this address.\n";

#[derive(Clone, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsOptions {
    /// Speak TLS with the certificate chain of this PEM file. Given more than once, each with its --tls-key, a
    /// client is shown the certificate of the host that it asks for, or else the first one
    #[arg(long, value_name = "FILE", requires = "tls_keys")]
    tls_cert: Vec<PathBuf>,
    /// The private key of a certificate, in PEM; one for each --tls-cert, in the same order
    #[arg(long = "tls-key", value_name = "FILE", requires = "tls_cert")]
    tls_keys: Vec<PathBuf>,
    /// Speak TLS with a certificate that is made at the start and that no client trusts, to try it out
    #[arg(long, conflicts_with = "tls_cert")]
    self_signed: bool,
    /// Answer HTTP without TLS at this address with a redirect to the service; refused with model `processes`
    /// and with --workers-as processes
    #[arg(long, value_name = "HOST:PORT")]
    redirect_http: Option<String>,
}

/// How a service meets its clients.
#[derive(Clone)]
pub(super) struct Front {
    tls: Option<TlsServer>,
    http: HttpServer,
}

impl TlsOptions {
    /// Reads the certificates.
    pub(super) fn front(&self, options: &Options, http: HttpServer) -> Result<Front, Failure> {
        let tls = match (self.self_signed, self.tls_cert.is_empty()) {
            (true, _) => Some(self_signed(options.listen.as_deref())?),
            (false, true) => None,
            (false, false) => Some(self.read_files()?),
        };
        if self.redirect_http.is_some() {
            can_redirect(options, tls.is_some())?;
        }
        let tls = tls.map(|tls| tls.protocols(&["h2", "http/1.1"]));
        Ok(Front { tls, http })
    }

    /// Returns whether any of the options is there.
    pub(super) fn is_asked_for(&self) -> bool {
        self.self_signed || !self.tls_cert.is_empty() || self.redirect_http.is_some()
    }

    fn read_files(&self) -> Result<TlsServer, Failure> {
        let (certificates, keys) = (self.tls_cert.len(), self.tls_keys.len());
        if certificates != keys {
            return Err(Failure::usage(format_args!(
                "--tls-cert is given {} and --tls-key {}: give each certificate its key",
                Count(certificates as u64, "time"),
                Count(keys as u64, "time")
            )));
        }
        let server = TlsServer::from_files(&self.pairs());
        server.map_err(|error| Failure::usage(format_args!("--tls-cert, --tls-key: {error}")))
    }

    /// Returns the files of certificates and keys.
    fn pairs(&self) -> Vec<(PathBuf, PathBuf)> {
        self.tls_cert
            .iter()
            .cloned()
            .zip(self.tls_keys.iter().cloned())
            .collect()
    }

    /// Says what the operator should know of the certificates, has SIGHUP read them again, and answers at the
    /// address of --redirect-http.
    pub(super) fn open(&self, front: &Front, bound: &Bound, log: &Log) -> Result<(), Failure> {
        for warning in front.tls.iter().flat_map(TlsServer::warnings) {
            log.line(format_args!("switchboard: {warning}"));
        }
        if let Some(tls) = front.tls.clone().filter(|_| !self.tls_cert.is_empty()) {
            let (pairs, log) = (self.pairs(), log.clone());
            let read = move || {
                let read = TlsServer::from_files(&pairs)?;
                for warning in read.warnings() {
                    log.line(format_args!("switchboard: {warning}"));
                }
                let tls = tls.clone();
                // Servers whose certificates are files can always show those of others.
                io::Result::Ok(move || drop(tls.replace(&read)))
            };
            bound
                .reload_handle()
                .register("--tls-cert, --tls-key", read);
        }
        let (Some(addr), Some(to)) = (&self.redirect_http, bound.local_addr().as_tcp()) else {
            return Ok(());
        };
        let listening = redirect::serve(addr, to.port());
        let listening = listening
            .map_err(|error| Failure::usage(format_args!("--redirect-http {addr}: {error}")))?;
        log.line(format_args!("redirects to https at http://{listening}"));
        Ok(())
    }
}

/// Checks that a redirect leads somewhere, and that this process may have another thread.
fn can_redirect(options: &Options, tls: bool) -> Result<(), Failure> {
    let text = if !tls {
        "there is no TLS to redirect to: use --tls-cert and --tls-key, or --self-signed"
    } else if options.unix.is_some() {
        "clients cannot be redirected to a Unix socket: use --listen"
    } else if options.model.dispatch() == Dispatch::Process
        || matches!(options.workers_as, WorkersAs::Processes)
    {
        "it needs a thread beside the server: use another model than processes, and --workers-as threads"
    } else {
        return Ok(());
    };
    Err(Failure::usage(format_args!("--redirect-http: {text}")))
}

/// Makes a certificate for this machine, and for the host of `listen` if an address was given.
fn self_signed(listen: Option<&str>) -> Result<TlsServer, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Failed(format!(
            "--self-signed: no certificate can be made: {error}"
        ))
    };
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    let listen = listen.unwrap_or_default();
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.trim_matches(['[', ']']);
    let any = host.parse().is_ok_and(|addr: IpAddr| addr.is_unspecified());
    if !any && !host.is_empty() && !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| failed(&error))
}

/// Tells a client that its address has as many connections as it may have.
async fn refuse(stream: Stream) {
    // It is closed, whether or not the client hears of it.
    let _ = stream.write_all(TOO_MANY).await;
    let _ = stream.close().await;
}

impl Front {
    /// Returns whether clients speak TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns a server of this service. Its clients speak first, and `limit` is how long that may take them.
    pub(super) fn server(&self, limit: Duration) -> Server {
        let server = Server::new().descriptors(1);
        match self.tls {
            // A client that is to be refused would have to be given a handshake first.
            Some(_) => server.first_bytes(limit, switchboard_tls::has_hello),
            None => server
                .first_bytes(limit, switchboard_http::has_head)
                .refuse(refuse),
        }
    }

    /// Answers the requests of a connection until `stop` completes, with TLS if the options say so. Tells
    /// `access` of them.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async function holds its arguments twice in every connection"
    )]
    pub(super) fn serve<F>(
        &self,
        stream: Stream,
        access: Option<&Access>,
        answer: impl Fn(Request) -> F,
        stop: impl Future<Output = ()>,
    ) -> impl Future<Output = io::Result<()>>
    where
        F: Future<Output = Response<Body>>,
    {
        async move {
            // Boxed, since an address of a Unix socket would be most of an idle connection.
            let peer = access.and_then(|_| stream.peer_addr().ok().map(Box::new));
            let handler = |request| {
                let (peer, answer) = (peer.as_deref(), &answer);
                async move {
                    Ok::<_, Infallible>(match access {
                        Some(access) => access.watch(peer, request, answer).await,
                        None => answer(request).await,
                    })
                }
            };
            let Some(tls) = &self.tls else {
                return self.http.serve_until(stream, handler, stop).await;
            };
            // In memory of its own: a session is much larger than a connection without TLS.
            Box::pin(async move {
                let socket = stream.clone();
                match tls.accept(stream).await {
                    Ok(stream) => self.http.serve_stream_until(stream, handler, stop).await,
                    Err(error) => {
                        if PlainText::is(&error) {
                            // The error stands, whether or not the client hears of it.
                            let _ = socket.write_all(SPEAK_TLS).await;
                            let _ = socket.close().await;
                        }
                        Err(error)
                    }
                }
            })
            .await
        }
    }
}
