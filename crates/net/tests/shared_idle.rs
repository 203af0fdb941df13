//! Flows on two loops that wait for clones of one stream: they cost nothing while no bytes come, and each
//! gets bytes that do. All pairs of drivers wait at the same time, in a process without other tests, because
//! the CPU time of the whole process is measured.

#[path = "support/idle.rs"]
mod idle;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

const TIMEOUT: Duration = Duration::from_secs(600);

/// Two loops that share a stream.
struct Pair {
    drivers: [Driver; 2],
    peer: UnixStream,
    received: Receiver<(usize, u8)>,
    /// Dropped to end the loops.
    ends: Vec<UnixStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Pair {
    fn start(drivers: [Driver; 2]) -> Pair {
        let (here, peer) = UnixStream::pair().unwrap();
        let stream = Stream::from(here);
        let (sender, received) = channel();
        let mut pair = Pair {
            drivers,
            peer,
            received,
            ends: Vec::new(),
            threads: Vec::new(),
        };
        for (at, driver) in drivers.into_iter().enumerate() {
            let (end, wait) = UnixStream::pair().unwrap();
            pair.ends.push(end);
            let (stream, sender) = (stream.clone(), sender.clone());
            let run =
                move || receive_one(driver, &stream, &wait.into(), |byte| (at, byte), &sender);
            pair.threads.push(std::thread::spawn(run));
        }
        pair
    }

    fn receive(&self) -> (usize, u8) {
        let received = self.received.recv_timeout(TIMEOUT);
        received.unwrap_or_else(|_| panic!("no flow of {:?} gets the byte", self.drivers))
    }
}

/// Receives one byte, and runs the loop until `end` is closed.
fn receive_one(
    driver: Driver,
    stream: &Stream,
    end: &Stream,
    message: impl Fn(u8) -> (usize, u8),
    sender: &Sender<(usize, u8)>,
) {
    let flow = async {
        let chunk = stream.recv().await.unwrap();
        assert_eq!(chunk.len(), 1, "the other flow has the other bytes");
        sender.send(message(chunk[0])).unwrap();
        end.recv().await.unwrap();
    };
    Model::Tasks.run_with(driver, flow).unwrap();
}

#[test]
fn loops_that_wait_for_one_stream_are_idle_and_each_gets_bytes() {
    let drivers: Vec<_> = (Driver::ALL.into_iter())
        .filter(|driver| driver.open().is_ok())
        .collect();
    let mut pairs = Vec::new();
    for first in &drivers {
        for second in &drivers {
            pairs.push(Pair::start([*first, *second]));
        }
    }
    assert!(idle::is_idle(0.01), "{} pairs use CPU time", pairs.len());

    for pair in &mut pairs {
        pair.peer.write_all(&[1]).unwrap();
    }
    let first: Vec<_> = pairs.iter().map(Pair::receive).collect();
    for (pair, (_, byte)) in pairs.iter_mut().zip(&first) {
        assert_eq!(*byte, 1);
        assert!(
            pair.received.try_recv().is_err(),
            "one flow goes on waiting"
        );
        pair.peer.write_all(&[2]).unwrap();
    }
    for (pair, (at, _)) in pairs.iter().zip(&first) {
        assert_eq!(pair.receive(), (1 - at, 2));
    }
    for pair in pairs {
        drop(pair.ends);
        for thread in pair.threads {
            thread.join().unwrap();
        }
    }
}
