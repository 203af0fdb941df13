//! Protocols: pauses of writing and of reading.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use switchboard_callbacks::{Protocol, Transport, run, start};
use switchboard_runtime::{Driver, Loop};

use crate::{Log, pair, rest};

crate::stamp!(
    a_slow_peer_pauses_writing
    a_peer_that_catches_up_at_once_pauses_and_resumes_writing
    reading_pauses_and_resumes
);

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

/// Fills the socket and the buffer, and has the peer read what the socket took before the buffer is sent.
struct CatchUp {
    log: Log,
    peer: UnixStream,
}

impl Protocol for CatchUp {
    fn connection_made(&mut self, transport: &Transport) {
        while transport.write_buffer_size() <= 100_000 {
            transport.write(&[7; 10_000]);
        }
        self.peer.set_nonblocking(true).unwrap();
        let error = io::copy(&mut self.peer, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    fn pause_writing(&mut self, _: &Transport) {
        self.log.add("pause");
    }
    fn resume_writing(&mut self, transport: &Transport) {
        self.log.add("resume");
        transport.close();
    }
}

fn a_peer_that_catches_up_at_once_pauses_and_resumes_writing(driver: Driver) {
    let (stream, peer) = pair();
    let log = Log::default();
    let own = log.clone();
    run(driver, move || {
        start(stream, CatchUp { log: own, peer });
        Ok(())
    })
    .unwrap();
    assert_eq!(log.lines(), ["pause", "resume"]);
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
