//! Protocols: the order of their calls, and that every byte arrives.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Connection, Protocol, Transport, run, start};
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

use crate::{Log, pair, rest};

crate::stamp!(
    methods_are_called_in_order
    a_half_open_connection_can_still_send
    every_byte_of_a_large_echo_comes_back
    connections_share_state_without_a_lock
    a_thread_can_run_a_connection
);

/// Sends back what it receives, and records the calls.
pub(crate) struct Echo(pub(crate) Log);

impl Protocol for Echo {
    fn connection_made(&mut self, transport: &Transport) {
        assert!(transport.is_reading() && !transport.is_closing());
        self.0.add("made");
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.add(String::from_utf8_lossy(data));
        transport.write(data);
    }
    fn eof_received(&mut self, _: &Transport) -> bool {
        self.0.add("eof");
        false
    }
    fn connection_lost(&mut self, transport: &Transport, error: Option<&io::Error>) {
        assert!(transport.is_closing() && transport.peer_addr().is_err());
        self.0.add(format!("lost {:?}", error.map(io::Error::kind)));
    }
}

fn methods_are_called_in_order(driver: Driver) {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let own = log.clone();
    let peer = std::thread::spawn(move || {
        for word in ["one", "two"] {
            peer.write_all(word.as_bytes()).unwrap();
            let mut back = [0; 3];
            peer.read_exact(&mut back).unwrap();
        }
        peer.shutdown(Shutdown::Write).unwrap();
        rest(peer)
    });
    run(driver, move || {
        let own_log = own.clone();
        start(stream, Echo(own));
        assert_eq!(own_log.lines(), ["made"], "before `start` returns");
        Ok(())
    })
    .unwrap();
    assert_eq!(peer.join().unwrap(), b"");
    assert_eq!(log.lines(), ["made", "one", "two", "eof", "lost None"]);
}

/// Answers at the end of input, in upper case.
#[derive(Default)]
struct Answer(Vec<u8>);

impl Protocol for Answer {
    fn data_received(&mut self, _: &Transport, data: &[u8]) {
        self.0.extend(data);
    }
    fn eof_received(&mut self, transport: &Transport) -> bool {
        let transport = transport.clone();
        let answer = self.0.to_ascii_uppercase();
        let later = move || {
            transport.write(&answer);
            transport.write_eof();
            transport.close();
        };
        let lp = Loop::current().unwrap();
        lp.call_later(Duration::from_millis(2), later);
        true
    }
}

fn a_half_open_connection_can_still_send(driver: Driver) {
    let (stream, mut peer) = pair();
    let peer = std::thread::spawn(move || {
        peer.write_all(b"question").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        rest(peer)
    });
    run(driver, || {
        start(stream, Answer::default());
        Ok(())
    })
    .unwrap();
    assert_eq!(peer.join().unwrap(), b"QUESTION");
}

fn every_byte_of_a_large_echo_comes_back(driver: Driver) {
    const BYTES: usize = 3_000_000;
    let (stream, mut peer) = pair();
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(BYTES)
        .collect();
    let (sent, reads) = (bytes.clone(), peer.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for piece in sent.chunks(70_000) {
            peer.write_all(piece).unwrap();
        }
        peer.shutdown(Shutdown::Write).unwrap();
    });
    let reader = std::thread::spawn(move || rest(reads));
    run(driver, || {
        start(stream, Echo(Log::default()));
        Ok(())
    })
    .unwrap();
    writer.join().unwrap();
    assert!(reader.join().unwrap() == bytes);
}

/// Sends what one member writes to all members.
struct Member(Rc<RefCell<Vec<Transport>>>);

impl Protocol for Member {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.borrow_mut().push(transport.clone());
    }
    fn data_received(&mut self, _: &Transport, data: &[u8]) {
        for member in self.0.borrow().iter() {
            member.write(data);
        }
    }
    fn connection_lost(&mut self, transport: &Transport, _: Option<&io::Error>) {
        self.0.borrow_mut().retain(|member| member != transport);
    }
}

fn connections_share_state_without_a_lock(driver: Driver) {
    let (streams, peers): (Vec<_>, Vec<_>) = (0..5).map(|_| pair()).unzip();
    let room = Rc::new(RefCell::new(Vec::new()));
    let left = room.clone();
    let talk = std::thread::spawn(move || {
        let mut peers = peers;
        for speaker in 0..5 {
            peers[speaker].write_all(&[b'0' + speaker as u8]).unwrap();
            for peer in &mut peers {
                let mut heard = [0];
                peer.read_exact(&mut heard).unwrap();
                assert_eq!(heard[0], b'0' + speaker as u8);
            }
        }
    });
    run(driver, move || {
        for stream in streams {
            start(stream, Member(room.clone()));
        }
        Ok(())
    })
    .unwrap();
    talk.join().unwrap();
    assert!(left.borrow().is_empty());
}

/// Runs a connection, which is a future, under the model `threads`.
fn a_thread_can_run_a_connection(_: Driver) {
    let (stream, mut peer) = pair();
    let served = std::thread::spawn(move || {
        Model::Threads.run(async {
            let served = Connection::new(stream, Echo(Log::default()));
            runtime::timeout(Duration::from_secs(600), served).await
        })
    });
    let bytes = vec![5; 600_000];
    let (sent, mut writes) = (bytes.clone(), peer.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        writes.write_all(&sent).unwrap();
        writes.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    peer.read_to_end(&mut back).unwrap();
    writer.join().unwrap();
    assert!(back == bytes, "{}", back.len());
    served.join().unwrap().unwrap().unwrap().unwrap();
}
