//! Tests of the waiting room, by servers of the model `pool`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use switchboard_runtime::Model;

use crate::{Report, Server};

/// Runs a pool of one thread, which answers a line with `!`, beside `clients`.
fn serve(limit: Duration, clients: impl FnOnce(&str) + Send) -> Report {
    let server = Server::new().model(Model::Pool).pool(1);
    let server = server.first_bytes(limit, |bytes| bytes.contains(&b'\n'));
    serve_with(server, clients)
}

/// Runs a server, which answers a line with `!`, beside `clients`.
fn serve_with(server: Server, clients: impl FnOnce(&str) + Send) -> Report {
    let server = server.bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().to_string();
    let stop = server.stop_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            clients(&addr);
            stop.stop();
        });
        let report = server.serve(|stream| async move {
            let line = stream.recv().await?;
            stream
                .write_all(if line.ends_with(b"\n") { b"!" } else { b"?" })
                .await
        });
        report.unwrap()
    })
}

fn client(addr: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn rest(stream: &mut TcpStream) -> String {
    let mut rest = String::new();
    // A connection that is closed with unread bytes is reset.
    let _ = stream.read_to_string(&mut rest);
    rest
}

#[test]
fn first_bytes_that_take_too_long_end_their_connection_only() {
    let mut tries = 0;
    let report = serve(Duration::from_millis(100), |addr| {
        let mut late = [client(addr, b"hel"), client(addr, b"")];
        // A client that is stalled before it writes is late too.
        let is_answered = (0..100).any(|_| {
            tries += 1;
            rest(&mut client(addr, b"hello\n")) == "!"
        });
        assert!(is_answered);
        assert_eq!(late.each_mut().map(rest), ["", ""]);
        // The wait begins anew after the list was empty.
        assert_eq!(rest(&mut client(addr, b"hel")), "");
    });
    assert_eq!((report.accepted, report.failed), (3 + tries, 2 + tries));
    assert_eq!((report.refused, report.cut), (0, 0));
}

#[test]
fn a_stop_reaches_the_handlers_of_clients_that_have_sent_nothing() {
    let server = Server::new().model(Model::Pool).pool(1);
    let server = server.first_bytes(Duration::MAX, |_| true);
    let server = server.drain(Duration::from_secs(600));
    let server = server.bind("127.0.0.1:0").unwrap();
    let addr = server.local_addr().to_string();
    let (stop, observer) = (server.stop_handle(), server.observer());
    let handlers = stop.clone();
    let silent = std::thread::spawn(move || {
        let mut silent = [client(&addr, b""), client(&addr, b"")];
        while observer.open() < silent.len() {
            std::thread::yield_now();
        }
        stop.stop();
        silent.each_mut().map(rest)
    });
    let report = server.serve(move |stream| {
        let stop = handlers.clone();
        async move {
            stop.wait().await;
            stream.write_all(b"stopped").await
        }
    });
    let report = report.unwrap();
    assert_eq!(silent.join().unwrap(), ["stopped", "stopped"]);
    assert_eq!((report.accepted, report.failed, report.cut), (2, 0, 0));
}

#[test]
fn a_panic_about_the_first_bytes_leaves_them_to_the_handler() {
    let server = Server::new().model(Model::Pool).pool(1);
    let server = server.first_bytes(Duration::MAX, |_| panic!("as asked"));
    let report = serve_with(server, |addr| {
        assert_eq!(rest(&mut client(addr, b"hello\n")), "!");
        // Its bytes come when it waits.
        let mut late = client(addr, b"");
        std::thread::sleep(Duration::from_millis(20));
        late.write_all(b"hello\n").unwrap();
        assert_eq!(rest(&mut late), "!");
    });
    assert_eq!((report.accepted, report.failed), (2, 0));
}

#[test]
fn a_line_in_parts_and_a_line_without_end_reach_the_handler() {
    let report = serve(Duration::from_secs(600), |addr| {
        let mut parts = client(addr, b"hel");
        let mut long = client(addr, &[b'x'; 1 << 16]);
        let mut ended = client(addr, b"hel");
        ended.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(rest(&mut ended), "?");
        let _ = rest(&mut long);
        parts.write_all(b"lo\n").unwrap();
        assert_eq!(rest(&mut parts), "!");
    });
    assert_eq!((report.accepted, report.failed), (3, 0));
}
