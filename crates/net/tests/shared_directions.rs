//! A flow that waits to read from a stream on one loop, and one that waits to write to its clone on another:
//! they cost nothing while the peer does nothing, and both go on when it reads and writes. All pairs of drivers
//! wait at the same time, in a process without other tests, because the CPU time of the whole process is
//! measured.

#[path = "support/idle.rs"]
mod idle;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

const TIMEOUT: Duration = Duration::from_secs(600);
/// More bytes than the sockets hold.
const LENGTH: usize = 4 << 20;

/// A loop that reads from a stream, and one that writes to it.
struct Pair {
    drivers: [Driver; 2],
    peer: UnixStream,
    /// Gets `true` from the reader, and `false` from the writer.
    ended: Receiver<bool>,
    threads: [JoinHandle<()>; 2],
}

impl Pair {
    fn start(drivers: [Driver; 2], reader_first: bool) -> Pair {
        let (here, peer) = UnixStream::pair().unwrap();
        let stream = Stream::from(here);
        let (ends, ended) = channel();
        let start = |reads: bool| {
            let (stream, ends) = (stream.clone(), ends.clone());
            let driver = drivers[usize::from(!reads)];
            let thread = std::thread::spawn(move || wait(driver, &stream, reads, &ends));
            // The second loop takes the stream from the first, whose flow waits by then.
            std::thread::sleep(Duration::from_millis(5));
            thread
        };
        let threads = [start(reader_first), start(!reader_first)];
        Pair {
            drivers,
            peer,
            ended,
            threads,
        }
    }

    fn next_end(&self) -> bool {
        let ended = self.ended.recv_timeout(TIMEOUT);
        ended.unwrap_or_else(|_| panic!("a flow of {:?} waits on", self.drivers))
    }
}

fn wait(driver: Driver, stream: &Stream, reads: bool, ends: &Sender<bool>) {
    let flow = async {
        match reads {
            true => assert_eq!(&*stream.recv().await.unwrap(), b"x"),
            false => stream.write_all(&vec![7; LENGTH]).await.unwrap(),
        }
    };
    Model::Tasks.run_with(driver, flow).unwrap();
    ends.send(reads).unwrap();
}

#[test]
fn a_reader_and_a_blocked_writer_on_two_loops_are_idle_and_both_go_on() {
    let drivers: Vec<_> = (Driver::ALL.into_iter())
        .filter(|driver| driver.open().is_ok())
        .collect();
    let mut pairs = Vec::new();
    for reader in &drivers {
        for writer in &drivers {
            for reader_first in [true, false] {
                pairs.push(Pair::start([*reader, *writer], reader_first));
            }
        }
    }
    assert!(idle::is_idle(0.02), "{} pairs use CPU time", pairs.len());

    for (at, pair) in pairs.iter_mut().enumerate() {
        pair.peer.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut all = vec![0; LENGTH];
        // The flows go on in either order.
        let reader_ends_first = at % 4 < 2;
        if reader_ends_first {
            pair.peer.write_all(b"x").unwrap();
            assert!(pair.next_end(), "the writer waits on");
        }
        let read = pair.peer.read_exact(&mut all);
        read.unwrap_or_else(|error| panic!("the writer of {:?} waits on: {error}", pair.drivers));
        assert!(all.iter().all(|byte| *byte == 7));
        if !reader_ends_first {
            assert!(!pair.next_end(), "the reader waits on");
            pair.peer.write_all(b"x").unwrap();
        }
        pair.next_end();
    }
    for pair in pairs {
        for thread in pair.threads {
            thread.join().unwrap();
        }
    }
}
