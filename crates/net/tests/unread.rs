//! How much of a connection's input a loop holds that no flow has taken.

use std::io::Write;
use std::os::unix::net::UnixStream;

use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Driver, Model};

/// The bytes of a chunk.
const CHUNK: usize = 64 * 1024;

#[test]
fn what_a_slow_reader_has_not_taken_stays_in_its_socket() {
    for driver in Driver::ALL {
        if driver.open().is_err() {
            println!("skip: {driver}");
            continue;
        }
        let (here, mut there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let stream = Stream::from(here);
        let flow = async {
            let mut held = Vec::new();
            for _ in 0..10 {
                // The receive is in flight when the socket is filled.
                let fill = async {
                    runtime::yield_now().await;
                    let mut sent = 0;
                    while let Ok(bytes) = there.write(&[0; 10_000]) {
                        sent += bytes;
                    }
                    sent
                };
                let (chunk, sent) = runtime::join(stream.recv(), fill).await;
                let mut taken = chunk.unwrap().len();
                // The flow is slow: the loop may receive meanwhile.
                for _ in 0..5 {
                    runtime::yield_now().await;
                }
                let in_socket = rustix::io::ioctl_fionread(&stream).unwrap() as usize;
                held.push(sent - in_socket - taken);
                while taken < sent {
                    taken += stream.recv().await.unwrap().len();
                }
            }
            held
        };
        let held = Model::Tasks.run_with(driver, flow).unwrap();
        println!("{driver}: {held:?}");
        // A receive that is in flight when the first bytes come takes all that the socket has.
        assert!(
            held[1..].iter().all(|held| *held <= CHUNK),
            "{driver}: {held:?}"
        );
    }
}
