//! Keep-alive under every model, and clients that hang up while their handler runs.

use std::convert::Infallible;
use std::future::pending;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use http_body_util::Full;
use hyper::body::Bytes;
use switchboard_http::{Request, Response, serve_connection};
use switchboard_net::Stream;

use support::{models_and_drivers, run};

mod support;

/// Sends a message when it is dropped.
struct NotifyOnDrop(mpsc::Sender<()>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Sends three requests, which are answered, and one whose handler waits for ever. Then `hang_up` ends the
/// connection, and the handler must be dropped.
fn assert_handler_is_dropped<C: Read + Write>(
    connect: impl Fn() -> (C, Stream),
    hang_up: impl Fn(C),
) {
    for (model, driver) in models_and_drivers() {
        let (dropped, was_dropped) = mpsc::channel();
        let (started, was_started) = mpsc::channel();
        let (mut client, stream) = connect();
        let server = std::thread::spawn(move || {
            let serve = serve_connection(stream, move |request: Request| {
                let guard = NotifyOnDrop(dropped.clone());
                let started = started.clone();
                async move {
                    if request.uri() == "/wait" {
                        started.send(()).unwrap();
                        pending::<()>().await;
                    }
                    drop(guard);
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
                }
            });
            run(model, driver, serve)
        });
        for _ in 0..3 {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
                .unwrap();
            let mut response = Vec::new();
            while !response.ends_with(b"hello") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                response.push(byte[0]);
            }
            was_dropped.recv().unwrap();
        }
        client
            .write_all(b"GET /wait HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        was_started.recv().unwrap();
        hang_up(client);
        was_dropped.recv().unwrap();
        let error = server.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{model}/{driver}");
        println!("{model}/{driver}: the handler was dropped");
    }
}

fn connect_tcp() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0.into())
}

fn reset(client: TcpStream) {
    Stream::from(client).reset_on_close().unwrap();
}

#[test]
fn a_handler_is_dropped_when_its_client_resets_the_connection() {
    assert_handler_is_dropped(connect_tcp, reset);
}

#[test]
fn a_handler_is_dropped_when_its_client_half_closes_and_then_resets() {
    assert_handler_is_dropped(connect_tcp, |client| {
        client.shutdown(Shutdown::Write).unwrap();
        reset(client);
    });
}

#[test]
fn a_handler_is_dropped_when_its_client_closes_a_unix_connection() {
    let connect = || {
        let (client, server) = UnixStream::pair().unwrap();
        (client, server.into())
    };
    assert_handler_is_dropped(connect, drop);
}

#[test]
fn a_reset_between_two_requests_is_an_end() {
    for (model, driver) in models_and_drivers() {
        println!("{model} with {driver}");
        let (mut client, stream) = connect_tcp();
        let server = std::thread::spawn(move || {
            let handler = |_request: Request| async {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello")))
            };
            run(model, driver, serve_connection(stream, handler))
        });
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
            .unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"hello") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            response.push(byte[0]);
        }
        reset(client);
        server.join().unwrap().unwrap();
    }
}
