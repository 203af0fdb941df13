//! HTTP by hyper on one thread of tokio: `http-hyper ADDR hello|untimed|tls PEM`. As in hyper's own example,
//! there is a timer, so that heads have a limit; `untimed` has none.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use switchboard::tls::rustls::ServerConfig;
use switchboard::tls::rustls::crypto::ring;
use switchboard::tls::rustls::pki_types::pem::PemObject;
use switchboard::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("Hello, world!"));
    let text = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, timed: bool) {
    let mut http = http1::Builder::new();
    if timed {
        http.timer(TokioTimer::new());
    }
    let served = http.serve_connection(TokioIo::new(stream), service_fn(hello));
    // The client has hung up, and the load notices what else there may be.
    let _ = served.await;
}

fn acceptor(path: &str) -> Result<TlsAcceptor, Box<dyn std::error::Error>> {
    let pem = std::fs::read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(&pem)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let tls = words.get(1).map(|path| acceptor(path)).transpose()?;
    let timed = words.first().is_none_or(|word| word != "untimed");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match tls.clone() {
                None => tokio::spawn(serve(stream, timed)),
                Some(tls) => tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, timed).await;
                    }
                }),
            };
        }
    })
}
