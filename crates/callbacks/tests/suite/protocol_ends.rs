//! Protocols: the ends of their connections.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Protocol, Transport, create_server, run, start, stop};
use switchboard_runtime::Driver;

use crate::protocol::Echo;
use crate::{Log, pair, rest};

crate::stamp!(
    abort_resets_the_connection
    an_error_is_reported_once
    the_end_of_the_loop_is_reported_once
    a_panic_ends_only_its_own_connection
    bytes_written_after_close_are_discarded
);

struct Aborts;

impl Protocol for Aborts {
    fn data_received(&mut self, transport: &Transport, _: &[u8]) {
        transport.write(&vec![0; 9_000_000]);
        transport.abort();
        transport.write(b"nothing");
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        assert!(error.is_none(), "{error:?}");
        stop();
    }
}

fn abort_resets_the_connection(driver: Driver) {
    let (send_addr, receive_addr) = std::sync::mpsc::channel();
    let client = std::thread::spawn(move || {
        let addr: String = receive_addr.recv().unwrap();
        let mut peer = TcpStream::connect(addr).unwrap();
        peer.write_all(b"x").unwrap();
        let error = peer.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
    run(driver, move || {
        let server = create_server("127.0.0.1:0", || Aborts)?;
        send_addr.send(server.local_addr().to_string()).unwrap();
        Ok(())
    })
    .unwrap();
    client.join().unwrap();
}

/// Tests a connection that its peer resets.
fn an_error_is_reported_once(driver: Driver) {
    let (send_addr, receive_addr) = std::sync::mpsc::channel();
    let client = std::thread::spawn(move || {
        let addr: String = receive_addr.recv().unwrap();
        let mut peer = TcpStream::connect(addr).unwrap();
        peer.write_all(b"x").unwrap();
        let mut back = [0; 1];
        peer.read_exact(&mut back).unwrap();
        socket2::SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    struct StopsWhenLost(Echo);
    impl Protocol for StopsWhenLost {
        fn data_received(&mut self, transport: &Transport, data: &[u8]) {
            self.0.data_received(transport, data);
        }
        fn connection_lost(&mut self, transport: &Transport, error: Option<&io::Error>) {
            self.0.connection_lost(transport, error);
            stop();
        }
    }
    let log = Log::default();
    let own = log.clone();
    run(driver, move || {
        let server = create_server("127.0.0.1:0", move || StopsWhenLost(Echo(own.clone())))?;
        send_addr.send(server.local_addr().to_string()).unwrap();
        Ok(())
    })
    .unwrap();
    client.join().unwrap();
    assert_eq!(log.lines(), ["x", "lost Some(ConnectionReset)"]);
}

fn the_end_of_the_loop_is_reported_once(driver: Driver) {
    let (stream, _peer) = pair();
    let log = Log::default();
    let own = log.clone();
    run(driver, move || {
        start(stream, Echo(own));
        stop();
        Ok(())
    })
    .unwrap();
    assert_eq!(log.lines(), ["made", "lost Some(ConnectionAborted)"]);
}

struct Panics(Log);

impl Protocol for Panics {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {
        panic!("on purpose");
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        self.0.add(format!("lost {:?}", error.map(io::Error::kind)));
    }
}

fn a_panic_ends_only_its_own_connection(driver: Driver) {
    let ((bad, mut bad_peer), (good, mut good_peer)) = (pair(), pair());
    let log = Log::default();
    let own = log.clone();
    let peers = std::thread::spawn(move || {
        bad_peer.write_all(b"x").unwrap();
        assert_eq!(rest(bad_peer), b"");
        good_peer.write_all(b"y").unwrap();
        good_peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(good_peer), b"y");
    });
    run(driver, move || {
        start(bad, Panics(own));
        start(good, Echo(Log::default()));
        Ok(())
    })
    .unwrap();
    peers.join().unwrap();
    assert_eq!(log.lines(), ["lost Some(ConnectionAborted)"]);
}

fn bytes_written_after_close_are_discarded(driver: Driver) {
    let (stream, peer) = pair();
    let lost = Rc::new(Cell::new(0));
    struct Closes(Rc<Cell<u32>>);
    impl Protocol for Closes {
        fn connection_made(&mut self, transport: &Transport) {
            transport.write(&[1; 1_000_000]);
            transport.close();
            transport.close();
            transport.write(b"more");
        }
        fn data_received(&mut self, _: &Transport, _: &[u8]) {
            unreachable!("the transport is closing");
        }
        fn connection_lost(&mut self, transport: &Transport, _: Option<&io::Error>) {
            self.0.set(self.0.get() + 1);
            transport.write(b"more");
            transport.close();
            transport.abort();
        }
    }
    let reader = std::thread::spawn(move || rest(peer).len());
    let own = lost.clone();
    run(driver, move || {
        start(stream, Closes(own));
        Ok(())
    })
    .unwrap();
    assert_eq!((reader.join().unwrap(), lost.get()), (1_000_000, 1));
}
