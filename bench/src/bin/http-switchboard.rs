//! HTTP on Switchboard: `http-switchboard ADDR hello|tls|uploads|FOLDER MODEL DRIVER PEM`.

use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::path::PathBuf;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use switchboard::http::{Body, HttpServer, Request, Response, ServerLimits};
use switchboard::tls::TlsServer;
use switchboard::{Driver, Model, Server};

fn plain(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let text = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

async fn hello(_: Request) -> Result<Response<Body>, Infallible> {
    Ok(plain(Body::from("Hello, world!")))
}

/// The library's own way of sending a file, without what a file server has to check.
async fn file(folder: PathBuf, request: Request) -> std::io::Result<Response<Body>> {
    let file = File::open(folder.join(request.uri().path().trim_start_matches('/')))?;
    let length = file.metadata()?.len();
    Ok(plain(Body::file(file, 0..length)))
}

/// Takes bodies and counts their bytes; has a large answer at /large.
async fn uploads(request: Request) -> std::io::Result<Response<Body>> {
    static LARGE: [u8; 16 * 1024 * 1024] = [b'x'; _];
    if request.uri().path() == "/large" {
        return Ok(plain(Body::from(Bytes::from_static(&LARGE))));
    }
    let (mut body, mut bytes) = (request.into_body(), 0);
    while let Some(piece) = body.chunk().await {
        bytes += piece?.len();
    }
    Ok(plain(Body::from(format!("{bytes:13}"))))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |at, otherwise: &str| std::env::args().nth(at).unwrap_or(otherwise.to_owned());
    let model: Model = argument(3, "tasks").parse()?;
    let driver: Driver = argument(4, Driver::best().name()).parse()?;
    let server = Server::new().model(model).driver(driver);
    let bound = server.bind(argument(1, "127.0.0.1:0"))?;
    println!("listening on {}", bound.local_addr());
    let http = HttpServer::new(ServerLimits {
        requests: u64::MAX,
        ..ServerLimits::default()
    });
    match argument(2, "hello").as_str() {
        "hello" => bound.serve(move |stream| http.serve(stream, hello))?,
        "uploads" => {
            let (capacity, reason) = bound.capacity();
            eprintln!("at most {capacity} connections ({reason})");
            bound.serve(move |stream| http.serve(stream, uploads))?
        }
        "tls" => {
            let pem = std::fs::read(argument(5, "both.pem"))?;
            let tls = TlsServer::from_pem(&pem, &pem)?;
            bound.serve(move |stream| {
                let (http, tls) = (http.clone(), tls.clone());
                async move {
                    http.serve_stream_until(tls.accept(stream).await?, hello, pending())
                        .await
                }
            })?
        }
        folder => {
            let folder = PathBuf::from(folder);
            bound.serve(move |stream| {
                let folder = folder.clone();
                http.serve(stream, move |request| file(folder.clone(), request))
            })?
        }
    };
    Ok(())
}
