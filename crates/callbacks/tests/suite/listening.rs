//! Channels that listen: accepting, and their ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use switchboard_callbacks::{Channel, Channels, Dispatcher};
use switchboard_net::{Addr, Stream};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Echo, Log, rest};

crate::stamp!(
    accepted_connections_echo
    a_connection_that_is_not_kept_closes
    a_closed_listening_channel_refuses_clients
    a_listening_channel_may_close_before_it_runs
    accepted_connections_outlive_their_listening_channel
);

/// Adds this many connections and then closes.
struct Accept(usize);

impl Dispatcher for Accept {
    fn handle_accepted(&mut self, channel: &Channel, stream: Stream, _: Addr) -> io::Result<()> {
        channel.channels().add(stream, Echo::default());
        self.0 -= 1;
        if self.0 == 0 {
            channel.close();
        }
        Ok(())
    }
}

fn accepted_connections_echo(driver: Driver) {
    let channels = Channels::new();
    let server = channels.listen("127.0.0.1:0", Accept(10)).unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let clients: Vec<_> = (0..10_u8)
        .map(|n| {
            let addr = addr.clone();
            std::thread::spawn(move || {
                let mut peer = TcpStream::connect(addr).unwrap();
                for _ in 0..20 {
                    peer.write_all(&[n; 300]).unwrap();
                    let mut back = [0; 300];
                    peer.read_exact(&mut back).unwrap();
                    assert_eq!(back, [n; 300]);
                }
                peer.shutdown(Shutdown::Write).unwrap();
                assert_eq!(rest(peer), b"");
            })
        })
        .collect();
    channels.run_until_empty(driver).unwrap();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
}

struct KeepNothing(Log);

impl Dispatcher for KeepNothing {
    fn log(&self, line: &str) {
        self.0.add(line);
    }
}

fn a_connection_that_is_not_kept_closes(driver: Driver) {
    let log = Log::default();
    let channels = Channels::new();
    let server = channels
        .listen("127.0.0.1:0", KeepNothing(log.clone()))
        .unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let client = std::thread::spawn(move || {
        let mut peer = TcpStream::connect(addr).unwrap();
        assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
    });
    Model::Callbacks
        .run_with(driver, async {
            let end = async {
                while log.lines().is_empty() {
                    runtime::sleep(std::time::Duration::from_millis(1)).await;
                }
                server.close();
            };
            runtime::join(channels.until_empty(), end).await;
        })
        .unwrap();
    client.join().unwrap();
    assert!(log.lines()[0].starts_with("nobody handles the connection from 127.0.0.1:"));
}

/// Records each call.
struct RecordCalls(Log);

impl Dispatcher for RecordCalls {
    fn handle_accepted(&mut self, _: &Channel, _: Stream, _: Addr) -> io::Result<()> {
        self.0.add("accepted");
        Ok(())
    }
    fn handle_close(&mut self, _: &Channel) {
        self.0.add("close");
    }
    fn handle_error(&mut self, _: &Channel, error: io::Error) {
        self.0.add(format!("error {error}"));
    }
}

fn is_refused(addr: &str) -> bool {
    TcpStream::connect(addr).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn a_closed_listening_channel_refuses_clients(driver: Driver) {
    let log = Log::default();
    let channels = Channels::new();
    let server = channels
        .listen("127.0.0.1:0", RecordCalls(log.clone()))
        .unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let close = async {
        // The channel waits for a connection by then.
        runtime::sleep(Duration::from_millis(2)).await;
        server.close();
        channels.until_empty().await;
        assert!(is_refused(&addr));
    };
    Model::Callbacks
        .run_with(driver, runtime::join(channels.until_empty(), close))
        .unwrap();
    assert_eq!(log.lines(), [""; 0]);
    let error = server.local_addr().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
}

fn a_listening_channel_may_close_before_it_runs(driver: Driver) {
    let log = Log::default();
    let channels = Channels::new();
    let server = channels
        .listen("127.0.0.1:0", RecordCalls(log.clone()))
        .unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let _queued = TcpStream::connect(&addr).unwrap();
    server.close();
    channels.run_until_empty(driver).unwrap();
    assert!(is_refused(&addr));
    assert_eq!(log.lines(), [""; 0]);
}

fn accepted_connections_outlive_their_listening_channel(driver: Driver) {
    let channels = Channels::new();
    let server = channels.listen("127.0.0.1:0", Accept(1)).unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let client = std::thread::spawn(move || {
        let mut peer = TcpStream::connect(&addr).unwrap();
        // The listening channel has closed when the first bytes come back.
        peer.write_all(b"first").unwrap();
        peer.read_exact(&mut [0; 5]).unwrap();
        let refused = is_refused(&addr);
        peer.write_all(b"last").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(peer), b"last");
        refused
    });
    channels.run_until_empty(driver).unwrap();
    assert!(client.join().unwrap());
}
