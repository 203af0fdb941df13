//! TLS in front of the services that speak HTTP.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use hyper::body::Body;
use switchboard_http::{HttpServer, Request, Response, serve_connection_until};
use switchboard_net::Stream;
use switchboard_runtime::Dispatch;
use switchboard_server::Bound;
use switchboard_tls::{PlainText, TlsServer};

use super::options::{Options, WorkersAs};
use super::redirect;
use crate::log::Log;
use crate::output::{Count, Failure};

/// The answer to a client that speaks HTTP without TLS.
const SPEAK_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
content-length: 48\r\n\r\nThis port speaks HTTP with TLS only: use https.\n";

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
    /// and with
    /// --workers-as processes
    #[arg(long, value_name = "HOST:PORT")]
    redirect_http: Option<String>,
}

/// How a service meets its clients.
#[derive(Clone)]
pub(super) struct Front(Option<TlsServer>);

impl TlsOptions {
    /// Reads the certificates.
    pub(super) fn front(&self, options: &Options) -> Result<Front, Failure> {
        let tls = match (self.self_signed, self.tls_cert.is_empty()) {
            (true, _) => Some(self_signed(options.listen.as_deref())?),
            (false, true) => None,
            (false, false) => Some(self.read_files()?),
        };
        if self.redirect_http.is_some() {
            can_redirect(options, tls.is_some())?;
        }
        Ok(Front(tls.map(|tls| tls.protocols(&["h2", "http/1.1"]))))
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
        let pairs: Vec<_> = self.tls_cert.iter().zip(&self.tls_keys).collect();
        let server = TlsServer::from_files(&pairs);
        server.map_err(|error| Failure::usage(format_args!("--tls-cert, --tls-key: {error}")))
    }

    /// Says what the operator should know of the certificates, and answers at the address of --redirect-http.
    pub(super) fn open(&self, front: &Front, bound: &Bound, log: &Log) -> Result<(), Failure> {
        for warning in front.0.iter().flat_map(TlsServer::warnings) {
            log.line(format_args!("switchboard: {warning}"));
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

impl Front {
    /// Returns whether clients speak TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether `bytes`, the first of a client, are enough to begin with.
    pub(super) fn first_bytes(&self) -> fn(&[u8]) -> bool {
        match self.0 {
            Some(_) => switchboard_tls::has_hello,
            None => switchboard_http::has_head,
        }
    }

    /// Serves HTTP on a connection until `stop` completes, with TLS if the options say so.
    pub(super) async fn serve<F, B, E>(
        &self,
        stream: Stream,
        handler: impl Fn(Request) -> F,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: Body + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Some(tls) = &self.0 else {
            return serve_connection_until(stream, handler, stop).await;
        };
        let socket = stream.clone();
        match tls.accept(stream).await {
            Ok(stream) => {
                let http = HttpServer::default();
                http.serve_stream_until(stream, handler, stop).await
            }
            Err(error) => {
                if PlainText::is(&error) {
                    // The error stands, whether or not the client hears of it.
                    let _ = socket.write_all(SPEAK_TLS).await;
                    let _ = socket.close().await;
                }
                Err(error)
            }
        }
    }
}
