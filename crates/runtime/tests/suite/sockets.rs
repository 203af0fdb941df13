//! Operations on sockets that are given up, and what comes after them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_runtime::{self as runtime, Activity, Direction, Source, Transfer, Waiting};

use crate::ways::Way;

crate::ways::stamp!(
    a_receive_that_times_out_no_longer_waits
    a_dropped_send_no_longer_waits
    a_call_that_reads_stops_the_receive_of_a_dropped_future
);

const MS: Duration = Duration::from_millis(1);

/// Returns a socket, the source of its peer, and what the source does.
fn observed_pair() -> (UnixStream, Source, Arc<Activity>) {
    let (there, here) = UnixStream::pair().unwrap();
    let mut source = Source::new(here.into());
    let activity = Arc::new(Activity::default());
    assert!(source.observe(activity.clone()));
    (there, source, activity)
}

fn a_receive_that_times_out_no_longer_waits(way: Way) {
    let (_there, source, activity) = observed_pair();
    way.run(async {
        let recv = source.operation(Direction::Read, |context| source.poll_recv(context));
        assert!(runtime::timeout(MS, recv).await.is_err());
        assert_eq!(activity.waiting().0, Waiting::Nothing);
    });
}

fn a_dropped_send_no_longer_waits(way: Way) {
    let (_there, source, activity) = observed_pair();
    way.run(async {
        let bytes = vec![0; 4 << 20];
        assert!(poll_once(source.send_all(&bytes)).await.is_none());
        assert_eq!(activity.waiting().0, Waiting::Nothing);
        assert!(runtime::timeout(MS, source.send_all(&bytes)).await.is_err());
        assert_eq!(activity.waiting().0, Waiting::Nothing);
    });
}

fn a_call_that_reads_stops_the_receive_of_a_dropped_future(way: Way) {
    let (mut there, here) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    let source = Source::new(here.try_clone().unwrap().into());
    way.run(async {
        for _ in 0..3 {
            let recv = source.operation(Direction::Read, |context| source.poll_recv(context));
            assert!(runtime::timeout(MS, recv).await.is_err());
            let mut buffer = [0; 16];
            let call = source.operation(Direction::Read, |context| {
                source.poll_call(context, Direction::Read, |_fd, _may_block| {
                    let bytes = (&here).read(&mut buffer)?;
                    Ok((
                        bytes,
                        Transfer {
                            bytes,
                            short: false,
                        },
                    ))
                })
            });
            let write = async {
                runtime::sleep(5 * MS).await;
                there.write_all(b"hello").unwrap();
            };
            let call = runtime::timeout(Duration::from_secs(600), call);
            let (read, ()) = runtime::join(call, write).await;
            let length = read.expect("the call waits for ever").unwrap();
            assert_eq!(&buffer[..length], b"hello");
        }
    });
}
