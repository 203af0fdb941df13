//! Servers and runs: panics of protocols, nested runs, no loop, and the end of a server.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use switchboard_callbacks::{Connection, Protocol, ServerHandle, Transport, create_server, run};
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

use crate::{pair, rest};

crate::stamp!(
    a_protocol_that_panics_does_not_end_the_server
    run_works_within_a_blocking_flow
    create_server_fails_without_a_loop
    connection_lost_may_panic_after_a_panic
    a_closed_server_refuses_clients_and_keeps_its_connections
);

/// Panics in `connection_made` if the flag is set; sends one chunk back otherwise.
struct PanicOrEcho(bool);

impl Protocol for PanicOrEcho {
    fn connection_made(&mut self, _: &Transport) {
        assert!(!self.0, "on purpose");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
        transport.close();
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        if error.is_none() {
            switchboard_callbacks::stop();
        }
    }
}

fn serve_two_clients(driver: Driver, first_is_bad: bool) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let clients = std::thread::spawn(move || {
        let addr: String = receiver.recv().unwrap();
        if first_is_bad {
            assert_eq!(rest(TcpStream::connect(&addr).unwrap()), b"");
        }
        let mut good = TcpStream::connect(&addr).unwrap();
        good.write_all(b"y").unwrap();
        assert_eq!(rest(good), b"y");
    });
    run(driver, move || {
        let bad = Cell::new(first_is_bad);
        let server = create_server("127.0.0.1:0", move || PanicOrEcho(bad.replace(false)))?;
        sender.send(server.local_addr().to_string()).unwrap();
        Ok(())
    })
    .unwrap();
    clients.join().unwrap();
}

fn a_protocol_that_panics_does_not_end_the_server(driver: Driver) {
    serve_two_clients(driver, true);
}

fn run_works_within_a_blocking_flow(driver: Driver) {
    let within = async { serve_two_clients(driver, false) };
    Model::Threads.run(within).unwrap();
}

fn create_server_fails_without_a_loop(driver: Driver) {
    let refused = create_server("127.0.0.1:0", || PanicOrEcho(false)).unwrap_err();
    assert_eq!(
        refused.kind(),
        io::ErrorKind::Unsupported,
        "{driver}: {refused}"
    );
    let panicked = run(driver, || panic!("on purpose"));
    assert!(panicked.is_err());
}

struct PanicTwice;

impl Protocol for PanicTwice {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        panic!("on purpose");
    }
    fn connection_lost(&mut self, _: &Transport, _: Option<&io::Error>) {
        panic!("and again");
    }
}

fn connection_lost_may_panic_after_a_panic(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"x").unwrap();
    let served = Model::Callbacks.run_with(driver, async {
        runtime::spawn_local(Connection::new(stream, PanicTwice))
            .await
            .is_err()
    });
    assert!(served.unwrap());
}

/// Sends each chunk back; the first one closes the server.
struct CloseServer(Rc<RefCell<Option<ServerHandle>>>);

impl Protocol for CloseServer {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        if let Some(server) = self.0.take() {
            server.close();
        }
        // The listener is closed in a later turn.
        let (transport, data) = (transport.clone(), data.to_vec());
        let later = Duration::from_millis(5);
        Loop::with_current(|lp| {
            lp.unwrap()
                .call_later(later, move || transport.write(&data))
        });
    }
}

fn a_closed_server_refuses_clients_and_keeps_its_connections(driver: Driver) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let client = std::thread::spawn(move || {
        let addr: String = receiver.recv().unwrap();
        let mut peer = TcpStream::connect(&addr).unwrap();
        for _ in 0..2 {
            peer.write_all(b"x").unwrap();
            let mut back = [0];
            peer.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"x");
            // The listener may be closed a little later, and resets what it has not accepted.
            let limit = Instant::now() + Duration::from_secs(600);
            let refused = loop {
                match TcpStream::connect(&addr) {
                    Err(error) if error.kind() != io::ErrorKind::ConnectionReset => break error,
                    _ => assert!(Instant::now() < limit, "the listener stays open"),
                }
            };
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        }
    });
    run(driver, move || {
        let server = Rc::new(RefCell::new(None));
        let own = server.clone();
        let handle = create_server("127.0.0.1:0", move || CloseServer(own.clone()))?;
        sender.send(handle.local_addr().to_string()).unwrap();
        server.replace(Some(handle));
        Ok(())
    })
    .unwrap();
    client.join().unwrap();
}
