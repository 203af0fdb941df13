//! A client whose address has too many connections is told so, where a flow can tell it.

use std::io::{Read, Write};
use std::net::TcpStream;

use switchboard_server::{Driver, Model, Server};

fn check(model: Model, driver: Driver) {
    let server = Server::new().model(model).driver(driver);
    let server = server
        .max_connections_per_address(1)
        .refuse(|stream| async move {
            stream.write_all(b"too many").await.unwrap();
            stream.close().await.unwrap();
        });
    let server = server.bind("127.0.0.1:0").unwrap();
    let (addr, stop) = (server.local_addr().to_string(), server.stop_handle());
    let client = std::thread::spawn(move || {
        let mut first = TcpStream::connect(&addr).unwrap();
        first.read_exact(&mut [0]).unwrap();
        let told = (0..3).map(|_| {
            let mut stream = TcpStream::connect(&addr).unwrap();
            // The answer is not lost by a reset, although this is never read.
            let _ = stream.write_all(b"hello");
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let told: Vec<String> = told.collect();
        stop.stop();
        drop(first);
        told
    });
    let report = server.serve(|stream| async move {
        stream.write_all(b"!").await?;
        stream.recv().await.map(drop)
    });
    assert_eq!(client.join().unwrap(), ["too many"; 3], "{model}/{driver}");
    let report = report.unwrap();
    assert_eq!(
        (report.accepted, report.refused),
        (4, 3),
        "{model}/{driver}"
    );
}

#[test]
fn a_refused_client_is_told() {
    check(Model::Threads, Driver::Epoll);
    for driver in [Driver::Epoll, Driver::Poll, Driver::Uring] {
        if driver.open().is_ok() {
            check(Model::Tasks, driver);
            check(Model::Green, driver);
        }
    }
}
