//! Protocols: writes of several connections in one turn, which io_uring sends together.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use switchboard_callbacks::{Protocol, Transport, run, start, stop};
use switchboard_net::Stream;
use switchboard_runtime::{Driver, Loop};

use crate::{pair, rest};

crate::stamp!(
    writes_of_one_turn_all_arrive_in_order
    what_a_full_socket_does_not_take_follows
    writes_before_close_and_write_eof_arrive
    writes_arrive_where_the_loop_stops_at_once
    writes_arrive_where_the_callback_panics
    posted_bytes_do_not_count_as_waiting
);

/// As many connections as make one post at least likely to wait for the end of its turn.
const CONNECTIONS: usize = 4;
/// As many as fill several pages with the posts of a turn.
const MANY: usize = 60;

struct Idle;

impl Protocol for Idle {
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

/// Starts the connections; returns their transports.
fn started(streams: Vec<Stream>) -> Vec<Transport> {
    let start = |stream| start(stream, Idle);
    streams.into_iter().map(start).collect()
}

fn pairs(count: usize) -> (Vec<Stream>, Vec<UnixStream>) {
    (0..count).map(|_| pair()).unzip()
}

/// Runs `write` with the transports in a callback of a turn in which the connections wait already, and returns
/// what the peers receive.
fn received(driver: Driver, write: impl FnOnce(&[Transport]) + 'static) -> Vec<Vec<u8>> {
    let (streams, peers) = pairs(CONNECTIONS);
    // Each peer closes once it has everything.
    let readers = std::thread::spawn(|| peers.into_iter().map(rest).collect());
    run(driver, move || {
        let transports = started(streams);
        let lp = Loop::current().unwrap();
        lp.call_later(Duration::from_millis(1), move || write(&transports));
        Ok(())
    })
    .unwrap();
    readers.join().unwrap()
}

fn writes_of_one_turn_all_arrive_in_order(driver: Driver) {
    let all = received(driver, |transports| {
        for round in 0..100_u8 {
            for transport in transports {
                // The second of a connection follows its first at once, and the next round those of others.
                transport.write(&[round; 40]);
                transport.write(&[round; 60]);
            }
        }
        transports.iter().for_each(Transport::close);
    });
    let expected: Vec<u8> = (0..100).flat_map(|round| [round; 100]).collect();
    assert_eq!(all, vec![expected; CONNECTIONS]);
}

/// Writes a message in each turn until writing pauses, some more after that, and closes.
struct Flood {
    left: Rc<Cell<u32>>,
    paused: Sender<()>,
}

impl Flood {
    fn turn(transport: Transport, written: u32, left: Rc<Cell<u32>>) {
        match left.get() {
            0 => return transport.close(),
            u32::MAX => {}
            turns => left.set(turns - 1),
        }
        // Numbered, so that bytes which are lost or sent twice are seen.
        let message: Vec<u8> = (written..written + 500)
            .flat_map(u32::to_le_bytes)
            .collect();
        transport.write(&message);
        let lp = Loop::current().unwrap();
        lp.call_soon(move || Flood::turn(transport, written + 500, left));
    }
}

impl Protocol for Flood {
    fn connection_made(&mut self, transport: &Transport) {
        Flood::turn(transport.clone(), 0, self.left.clone());
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    fn pause_writing(&mut self, _: &Transport) {
        self.left.set(50);
        self.paused.send(()).unwrap();
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        assert!(error.is_none(), "{error:?}");
    }
}

fn what_a_full_socket_does_not_take_follows(driver: Driver) {
    let (streams, peers) = pairs(MANY);
    let (mut floods, mut readers) = (Vec::new(), Vec::new());
    for (stream, peer) in streams.into_iter().zip(peers) {
        let (paused, wait_for_pause) = channel();
        floods.push((stream, paused));
        readers.push(std::thread::spawn(move || {
            // A peer that reads at any time could be fast enough for the socket to be never full.
            wait_for_pause.recv().unwrap();
            rest(peer)
        }));
    }
    run(driver, move || {
        for (stream, paused) in floods {
            let left = Rc::new(Cell::new(u32::MAX));
            start(stream, Flood { left, paused });
        }
        Ok(())
    })
    .unwrap();
    for reader in readers {
        let all = reader.join().unwrap();
        assert!(all.len() > 100_000);
        for (bytes, number) in all.chunks(4).zip(0..) {
            assert_eq!(bytes, u32::to_le_bytes(number));
        }
    }
}

fn writes_before_close_and_write_eof_arrive(driver: Driver) {
    let all = received(driver, |transports| {
        for (transport, index) in transports.iter().zip(0..) {
            transport.write(b"hello");
            match index % 2 {
                0 => transport.close(),
                _ => transport.write_eof(),
            }
        }
    });
    assert_eq!(all, vec![b"hello"; CONNECTIONS]);
}

fn writes_arrive_where_the_loop_stops_at_once(driver: Driver) {
    let all = received(driver, |transports| {
        for transport in transports {
            transport.write(b"hello");
        }
        stop();
    });
    assert_eq!(all, vec![b"hello"; CONNECTIONS]);
}

/// Writes to every connection when the first bytes come, and panics.
struct Panics(Vec<Transport>);

impl Protocol for Panics {
    fn data_received(&mut self, transport: &Transport, _: &[u8]) {
        for one in self.0.iter().chain([transport]) {
            one.write(b"hello");
        }
        panic!("after the writes");
    }
    fn connection_lost(&mut self, _: &Transport, _: Option<&io::Error>) {
        self.0.iter().for_each(Transport::close);
    }
}

fn writes_arrive_where_the_callback_panics(driver: Driver) {
    let (streams, peers) = pairs(CONNECTIONS);
    let (stream, mut peer) = pair();
    io::Write::write_all(&mut peer, b"!").unwrap();
    run(driver, move || {
        start(stream, Panics(started(streams)));
        Ok(())
    })
    .unwrap();
    assert_eq!(rest(peer), b"hello");
    for peer in peers {
        assert_eq!(rest(peer), b"hello");
    }
}

fn posted_bytes_do_not_count_as_waiting(driver: Driver) {
    let all = received(driver, |transports| {
        for transport in transports {
            transport.set_write_buffer_limits(0, 0);
            for _ in 0..3 {
                transport.write(b"hello");
                assert_eq!(transport.write_buffer_size(), 0);
            }
        }
        transports.iter().for_each(Transport::close);
    });
    assert_eq!(all, vec![b"hellohellohello"; CONNECTIONS]);
}
