//! Protocols: the order of their calls, and that every byte arrives.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{Connection, Protocol, Transport, create_server, run, start, stop};
use switchboard_runtime::{self as runtime, Driver, Loop, Model};

use crate::{Log, pair, rest};

crate::stamp!(
    methods_are_called_in_order
    a_half_open_connection_can_still_send
    every_byte_of_a_large_echo_comes_back
    a_slow_peer_pauses_writing
    reading_pauses_and_resumes
    abort_resets_the_connection
    an_error_is_reported_once
    the_end_of_the_loop_is_reported_once
    a_panic_ends_only_its_own_connection
    connections_share_state_without_a_lock
    bytes_written_after_close_are_discarded
    a_thread_can_run_a_connection
);

struct Echo(Log);

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

/// Writes until writing pauses, twice, and closes when it resumes.
struct Flood {
    log: Log,
    pauses: u32,
    paused: std::sync::mpsc::Sender<()>,
}

impl Protocol for Flood {
    fn connection_made(&mut self, transport: &Transport) {
        transport.set_write_buffer_limits(100_000, 1000);
        // A socket does not take as much at once.
        transport.write(&vec![7; 4_000_000]);
        assert!(transport.write_buffer_size() > 100_000);
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    fn pause_writing(&mut self, transport: &Transport) {
        self.pauses += 1;
        self.paused.send(()).unwrap();
        self.log
            .add(format!("pause {}", transport.write_buffer_size() > 100_000));
    }
    fn resume_writing(&mut self, transport: &Transport) {
        self.log
            .add(format!("resume {}", transport.write_buffer_size() <= 1000));
        match self.pauses {
            1 => transport.write(&vec![8; 4_000_000]),
            _ => transport.close(),
        }
    }
    fn connection_lost(&mut self, _: &Transport, error: Option<&io::Error>) {
        self.log.add(format!("lost {error:?}"));
    }
}

fn a_slow_peer_pauses_writing(driver: Driver) {
    let (stream, mut peer) = pair();
    let (paused, wait_for_pause) = std::sync::mpsc::channel();
    let log = Log::default();
    let own = log.clone();
    // A peer that reads at any time could be fast enough for the loop to never pause.
    let reader = std::thread::spawn(move || {
        wait_for_pause.recv().unwrap();
        peer.read_exact(&mut vec![0; 4_000_000]).unwrap();
        wait_for_pause.recv().unwrap();
        rest(peer).len()
    });
    run(driver, move || {
        start(
            stream,
            Flood {
                log: own,
                pauses: 0,
                paused,
            },
        );
        Ok(())
    })
    .unwrap();
    assert_eq!(reader.join().unwrap(), 4_000_000);
    let expected = [
        "pause true",
        "resume true",
        "pause true",
        "resume true",
        "lost None",
    ];
    assert_eq!(log.lines(), expected);
}

struct Pauses(Log);

impl Protocol for Pauses {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.add(String::from_utf8_lossy(data));
        transport.pause_reading();
        transport.write(b".");
        let (transport, log) = (transport.clone(), self.0.clone());
        let lp = Loop::current().unwrap();
        lp.call_later(Duration::from_millis(3), move || {
            log.add("resumes");
            transport.resume_reading();
        });
    }
}

fn reading_pauses_and_resumes(driver: Driver) {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let own = log.clone();
    let peer = std::thread::spawn(move || {
        peer.write_all(b"a").unwrap();
        peer.read_exact(&mut [0]).unwrap();
        peer.write_all(b"b").unwrap();
        peer.read_exact(&mut [0]).unwrap();
    });
    run(driver, move || {
        start(stream, Pauses(own));
        Ok(())
    })
    .unwrap();
    peer.join().unwrap();
    assert_eq!(log.lines()[..3], ["a", "resumes", "b"]);
}

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

/// Runs a connection, which is a future, under the model `threads`.
fn a_thread_can_run_a_connection(_: Driver) {
    let (stream, mut peer) = pair();
    let served = std::thread::spawn(move || {
        Model::Threads.run(async {
            let served = Connection::new(stream, Echo(Log::default()));
            runtime::timeout(Duration::from_secs(20), served).await
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
