//! Sends of files.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use futures_lite::future::{poll_once, zip};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime};

use crate::{Way, pair};

crate::stamp!(
    parts_of_a_file_arrive
    a_file_shorter_than_the_range_is_an_error
    a_file_that_shrinks_is_never_padded
    a_dropped_send_goes_on_where_it_stopped
    a_send_to_a_closed_peer_fails
    what_is_no_file_is_refused
    a_file_without_splice_is_copied
    bytes_before_more_wait_for_it
    a_large_file_leaves_turns_to_others
);

const LENGTH: u64 = 3_000_000;

fn pattern(range: Range<u64>) -> Vec<u8> {
    range.map(|at| (at * 31 / 7) as u8).collect()
}

/// Returns a file without a name that holds the pattern.
fn file() -> File {
    let path = std::env::temp_dir().join(format!("switchboard-{}", fastrand::u64(..)));
    let options = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path);
    let mut file = options.unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(&pattern(0..LENGTH)).unwrap();
    file
}

fn tcp_pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0.into(), there)
}

/// Reads all that comes, in a thread.
fn reader(mut peer: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    })
}

fn parts_of_a_file_arrive(way: Way) {
    let mut file = file();
    let position = file.stream_position().unwrap();
    for unix in [false, true] {
        let (stream, reader) = match unix {
            true => {
                let (stream, peer) = pair();
                (stream, reader(peer))
            }
            false => {
                let (stream, peer) = tcp_pair();
                (stream, reader(peer))
            }
        };
        let ranges = [
            5..5,
            0..1,
            LENGTH - 1..LENGTH,
            7..65_543,
            7..65_544,
            1..400_001,
            0..LENGTH,
        ];
        way.run(async {
            for range in &ranges {
                let mut left = range.clone();
                stream.send_file(&file, &mut left).await.unwrap();
                assert_eq!(left, range.end..range.end);
            }
        });
        drop(stream);
        let expected: Vec<u8> = ranges.into_iter().flat_map(pattern).collect();
        assert!(reader.join().unwrap() == expected);
    }
    assert_eq!(file.stream_position().unwrap(), position);
}

fn a_file_shorter_than_the_range_is_an_error(way: Way) {
    let (stream, peer) = tcp_pair();
    let (file, reader) = (file(), reader(peer));
    way.run(async {
        for end in [LENGTH + 1, LENGTH + 1_000_000, u64::MAX] {
            let mut range = LENGTH - 200_000..end;
            let error = stream.send_file(&file, &mut range).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(range, LENGTH..end);
        }
    });
    drop(stream);
    let expected = pattern(LENGTH - 200_000..LENGTH).repeat(3);
    assert!(reader.join().unwrap() == expected);
}

fn a_file_that_shrinks_is_never_padded(way: Way) {
    let (stream, peer) = pair();
    let file = file();
    let mut range = 0..LENGTH;
    let (kind, reader) = way.run(async {
        // Until the socket is full.
        while poll_once(stream.send_file(&file, &mut range))
            .await
            .is_some()
        {}
        file.set_len(range.start + 1_000).unwrap();
        let reader = reader(peer);
        let sent = stream.send_file(&file, &mut range).await;
        (sent.unwrap_err().kind(), reader)
    });
    assert_eq!(kind, ErrorKind::UnexpectedEof);
    drop(stream);
    assert_eq!(range.start, file.metadata().unwrap().len());
    assert!(reader.join().unwrap() == pattern(0..range.start));
}

fn a_dropped_send_goes_on_where_it_stopped(way: Way) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (stream, peer) = tcp_pair();
    let (file, reader) = (file(), reader(peer));
    let mut range = 0..LENGTH;
    way.run(async {
        while !range.is_empty() {
            let end = rng.u64(range.start..=LENGTH);
            let mut part = range.start..end;
            match rng.u8(..3) {
                0 => drop(poll_once(stream.send_file(&file, &mut part)).await),
                1 => {
                    let limit = Duration::from_micros(rng.u64(..300));
                    let _ = runtime::timeout(limit, stream.send_file(&file, &mut part)).await;
                }
                _ => {
                    let send = async { stream.send_file(&file, &mut part).await.unwrap() };
                    let yields = rng.u8(..4);
                    let enough = async {
                        for _ in 0..yields {
                            runtime::yield_now().await;
                        }
                    };
                    runtime::race(send, enough).await;
                }
            }
            range.start = part.start;
        }
    });
    drop(stream);
    assert!(reader.join().unwrap() == pattern(0..LENGTH));
}

fn a_send_to_a_closed_peer_fails(way: Way) {
    let file = file();
    for length in [1_000, LENGTH] {
        let (stream, peer) = pair();
        drop(peer);
        let mut range = 0..length;
        let error = way.run(stream.send_file(&file, &mut range)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(range, 0..length, "nothing was sent");
    }
}

fn what_is_no_file_is_refused(way: Way) {
    let (stream, _peer) = pair();
    let (pipe, _writer) = std::io::pipe().unwrap();
    for length in [1_000, LENGTH] {
        let sent = way.run(stream.send_file(&pipe, &mut (0..length)));
        assert_eq!(sent.unwrap_err().kind(), ErrorKind::NotSeekable);
    }
}

#[cfg(not(target_os = "linux"))]
fn a_file_without_splice_is_copied(_way: Way) {}

#[cfg(target_os = "linux")]
fn a_file_without_splice_is_copied(way: Way) {
    let file = File::open("/proc/self/pagemap").unwrap();
    let length = 200_000;
    let mut expected = vec![1; length];
    file.read_exact_at(&mut expected, 0).unwrap();
    let (stream, peer) = tcp_pair();
    let reader = reader(peer);
    way.run(stream.send_file(&file, &mut (0..length as u64)))
        .unwrap();
    drop(stream);
    assert!(reader.join().unwrap() == expected);
}

fn bytes_before_more_wait_for_it(way: Way) {
    let file = file();
    let mut waited = false;
    // The system waits for 200 ms at most, in which this machine may have done something else.
    for _ in 0..5 {
        let (stream, mut peer) = tcp_pair();
        stream.set_nodelay(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let mut bytes = [0; 16];
        way.run(async {
            stream.write_all_more(b"head").await.unwrap();
            waited |= peer.read(&mut bytes).is_err();
            stream.send_file(&file, &mut (0..6)).await.unwrap();
        });
        drop(stream);
        peer.set_nonblocking(false).unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.splice(..0, bytes.into_iter().take_while(|&byte| byte != 0));
        assert_eq!(all, [b"head", &*pattern(0..6)].concat());
    }
    assert!(waited || cfg!(not(target_os = "linux")));
}

fn a_large_file_leaves_turns_to_others(way: Way) {
    if !way.0.has_loop() {
        return;
    }
    let (file, (stream, peer)) = (file(), tcp_pair());
    file.set_len(64 << 20).unwrap();
    let reader = reader(peer);
    let turns = way.run(async {
        let (mut range, done) = (0..64 << 20, std::cell::Cell::new(false));
        let send = async {
            stream.send_file(&file, &mut range).await.unwrap();
            done.set(true);
        };
        let count = async {
            let mut turns = 0;
            while !done.get() {
                runtime::yield_now().await;
                turns += 1;
            }
            turns
        };
        zip(send, count).await.1
    });
    drop(stream);
    assert_eq!(reader.join().unwrap().len(), 64 << 20);
    // One poll moves 256 KiB at most, and what is left of a budget of 128 KiB.
    assert!(turns >= 64 << 20 >> 19, "{turns} turns");
}
