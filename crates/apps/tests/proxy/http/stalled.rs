//! Clients whose uploads stall.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Version};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use switchboard_apps::proxy::Sender;
use switchboard_http::{Body, HttpServer, ServerLimits};
use switchboard_runtime::Model;

use super::peers::{BackEnd, Client, answer};
use crate::{Way, http_settings, listen, proxy};

crate::stamp!(a_client_whose_upload_stalls_gets_408);

fn a_client_whose_upload_stalls_gets_408(way: Way) {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, notices) = proxy(http_settings(&[back_end.addr]));
    let server = HttpServer::new(ServerLimits {
        body_idle: Duration::from_millis(1),
        ..ServerLimits::default()
    });
    for framing in [
        "content-length: 100\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello",
    ] {
        let (listener, addr) = listen();
        let mut client = Client::new(TcpStream::connect(addr).unwrap());
        let served = listener.accept().unwrap().0.into();
        let serving = std::thread::spawn({
            let (proxy, server) = (proxy.clone(), server.clone());
            move || {
                let answer = |request| {
                    let answer = proxy.respond(Sender::default(), false, request);
                    async { Ok::<_, Infallible>(answer.await) }
                };
                way.run(server.serve(served, answer))
            }
        });
        let answer = client.ask(&format!("POST /x HTTP/1.1\r\nhost: here\r\n{framing}"));
        assert_eq!(answer.head[0], "HTTP/1.1 408 Request Timeout");
        assert_eq!(answer.field("connection"), Some("close"));
        client.end();
        let error = serving.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    // One line a second is told.
    let why = "the request's body: a request body that comes too slowly";
    let told = notices.take();
    assert_eq!(told[0], format!("POST /x: 408: {why}"));
}

/// A body that fails at once, as one of HTTP/2 does that comes too slowly.
struct TooSlow;

impl HttpBody for TooSlow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Err(ErrorKind::TimedOut.into())))
    }
}

#[test]
fn an_upload_of_http2_that_stalls_gets_408() {
    let back_end = BackEnd::start(|request| answer(&request.body));
    let (proxy, notices) = proxy(http_settings(&[back_end.addr]));
    let request = Request::post("https://a.org/").version(Version::HTTP_2);
    let request = request.body(Body::new(TooSlow)).unwrap();
    let answer = Model::Tasks.run(proxy.respond(Sender::default(), false, request));
    assert_eq!(answer.unwrap().status(), 408);
    let line = "POST https://a.org/: 408: the request's body: ";
    assert!(notices.take()[0].starts_with(line));
}
