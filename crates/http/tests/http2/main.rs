//! HTTP/2 under every model and driver: requests side by side, limits, and floods.

mod connections;
mod floods;
mod frames;
mod heads;
mod limits;
#[path = "../support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use hyper::StatusCode;
use switchboard_http::{Body, HttpServer, Request, Response, ServerLimits};
use switchboard_runtime::{Driver, Event, Model};

use frames::{Client, DATA, END_STREAM, Frame, connection};
use support::run;

/// A connection of a server, from the client's end.
struct Served {
    client: Client,
    stop: Event,
    /// Says what happens to handlers.
    said: mpsc::Receiver<&'static str>,
    server: JoinHandle<io::Result<()>>,
}

/// Says that a handler was dropped.
struct Drops(mpsc::Sender<&'static str>);

impl Drop for Drops {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// Answers by path:
///
/// | path | answer |
/// |---|---|
/// | `/wait` | comes after one of `/go` was asked for |
/// | `/stay` | never comes |
/// | `/body` | the length of the request's body, or the kind of the error |
/// | `/large` | 200,000 bytes |
/// | `/piece` | the same in one piece |
/// | `/host` | its Host fields and its authority |
/// | `/cookie` | its Cookie fields |
/// | `/204`, `/304` | this status, with a body |
async fn handle(request: Request, go: Event, say: mpsc::Sender<&'static str>) -> Response<Body> {
    let drops = Drops(say.clone());
    say.send("started").unwrap();
    let status = match request.uri().path() {
        "/204" => StatusCode::NO_CONTENT,
        "/304" => StatusCode::NOT_MODIFIED,
        _ => StatusCode::OK,
    };
    let body = match request.uri().path() {
        "/wait" => {
            go.wait().await;
            "waited".into()
        }
        "/go" => {
            go.set();
            "gone".into()
        }
        "/stay" => pending().await,
        "/cookie" => {
            let cookies = request.headers().get_all("cookie").iter();
            Body::from(format!("{:?}", cookies.collect::<Vec<_>>()))
        }
        "/host" => {
            let hosts = request.headers().get_all("host").iter();
            let hosts: Vec<_> = hosts.map(|host| host.to_str().unwrap()).collect();
            Body::from(format!("{hosts:?} {:?}", request.uri().authority()))
        }
        "/body" => match request.into_body().bytes(1 << 20).await {
            Ok(bytes) => Body::from(bytes.len().to_string()),
            Err(error) => Body::from(format!("{:?}", error.kind())),
        },
        "/large" => Body::new(http_body_util::StreamBody::new(futures_lite::stream::iter(
            (0..200).map(|_| {
                Ok::<_, Infallible>(hyper::body::Frame::data(hyper::body::Bytes::from(vec![
                    7;
                    1000
                ])))
            }),
        ))),
        "/piece" => Body::from(vec![7; 200_000]),
        _ => Body::from("hello"),
    };
    drop(drops);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

impl Served {
    fn start((model, driver): (Model, Driver), limits: ServerLimits) -> Served {
        println!("{model} with {driver}");
        let (client, stream) = connection();
        let (stop, go) = (Event::new(), Event::new());
        let (say, said) = mpsc::channel();
        let stopped = stop.clone();
        let server = std::thread::spawn(move || {
            let handler = |request| {
                let answer = handle(request, go.clone(), say.clone());
                async { Ok::<_, Infallible>(answer.await) }
            };
            let http = HttpServer::new(limits);
            let serve = async { http.serve_until(stream, handler, stopped.wait()).await };
            run(model, driver, serve)
        });
        Served {
            client,
            stop,
            said,
            server,
        }
    }

    fn greeted(way: (Model, Driver)) -> Served {
        let mut served = Served::start(way, ServerLimits::default());
        served.client.greet(&[]);
        served
    }

    /// Reads up to the end of the connection. Returns the last frame, and how the server has ended.
    fn end(self) -> (Option<Frame>, io::Result<()>) {
        let last = self.client.rest().pop();
        (last, self.server.join().unwrap())
    }

    /// Waits for the end of a connection whose client says nothing more.
    fn end_unanswered(mut self) -> io::Result<()> {
        // A reset is an end as well.
        let _ = io::copy(&mut self.client.0, &mut io::sink());
        self.server.join().unwrap()
    }
}

/// Reads the body of the answer to the request of `stream`; those of others are left out.
fn answer(client: &mut Client, stream: u32) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let frame = client.next().expect("the connection is open");
        if frame.stream == stream && frame.kind == DATA {
            body.extend_from_slice(&frame.payload);
        }
        if frame.stream == stream && frame.flags & END_STREAM != 0 {
            return body;
        }
    }
}
