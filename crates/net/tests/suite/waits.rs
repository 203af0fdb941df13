//! A flow that waits for several things at once.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_net::{Listener, PlainStream, Stream};
use switchboard_runtime::{self as runtime, Direction, Driver, Model, race};

use crate::{Way, pair};

crate::stamp!(
    a_read_raced_with_a_channel_loses_nothing
    a_busy_channel_does_not_starve_a_read
    a_timeout_ends_a_read_and_loses_nothing
    a_read_dropped_ten_thousand_times_loses_nothing
    two_flows_talk_on_one_connection
    a_half_closed_connection_still_reads
    a_connection_is_made_by_name
    a_std_read_is_refused_only_in_a_task
    a_cancelled_read_closes_its_stream
    a_read_that_is_ready_completes_at_its_first_poll
);

fn a_read_raced_with_a_channel_loses_nothing(way: Way) {
    let (stream, mut peer) = pair();
    let (sender, receiver) = runtime::channel(1);
    let (turn, turns) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        for from_channel in turns {
            match from_channel {
                true => sender.send_blocking(b'c').unwrap(),
                false => peer.write_all(b"s").unwrap(),
            }
        }
    });
    way.run(async {
        for n in 0..200 {
            turn.send(n % 3 == 0).unwrap();
            let read = async { stream.recv().await.unwrap()[0] };
            let message = async { receiver.recv().await.unwrap() };
            let got = if n % 2 == 0 {
                race(read, message).await
            } else {
                race(message, read).await
            };
            assert_eq!(got, if n % 3 == 0 { b'c' } else { b's' }, "turn {n}");
        }
    });
    drop(turn);
    other.join().unwrap();
}

fn a_busy_channel_does_not_starve_a_read(way: Way) {
    let (stream, mut peer) = pair();
    peer.write_all(b"s").unwrap();
    let (sender, receiver) = runtime::channel(1000);
    for _ in 0..1000 {
        sender.try_send(b'c').unwrap();
    }
    let turns = way.run(async {
        let mut turns = 0;
        loop {
            turns += 1;
            let read = async { stream.recv().await.unwrap()[0] };
            let message = async { receiver.recv().await.unwrap() };
            if race(read, message).await == b's' {
                return turns;
            }
        }
    });
    assert!(turns < 1000, "{turns}");
}

fn a_timeout_ends_a_read_and_loses_nothing(way: Way) {
    let (stream, mut peer) = pair();
    way.run(async {
        let before = runtime::now();
        let late = runtime::timeout(Duration::from_millis(5), stream.recv()).await;
        assert!(late.is_err());
        assert!(runtime::now() - before >= Duration::from_millis(5));
        peer.write_all(b"hello").unwrap();
        let read = runtime::timeout(Duration::from_secs(60), stream.recv()).await;
        assert_eq!(&*read.unwrap().unwrap(), b"hello");
    });
}

fn a_read_dropped_ten_thousand_times_loses_nothing(way: Way) {
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (stream, mut peer) = pair();
    let enough = Arc::new(AtomicBool::new(false));
    let heard = enough.clone();
    let writer = std::thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(seed ^ 1);
        let mut next = 0_u8;
        while !heard.load(Ordering::Relaxed) {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                next = next.wrapping_add(1);
                next
            })
            .take(rng.usize(1..300))
            .collect();
            peer.write_all(&bytes).unwrap();
        }
        u64::from(next)
    });
    way.run(async {
        let (mut next, mut dropped, mut buffer) = (0_u8, 0, [0; 256]);
        let mut check = |bytes: &[u8]| {
            for byte in bytes {
                next = next.wrapping_add(1);
                assert_eq!(*byte, next, "seed {seed}");
            }
        };
        loop {
            // Drops the read after that many polls, whether bytes are on their way or not.
            let mut polls = rng.u32(0..3);
            let give_up = poll_fn(|context| {
                if polls == 0 {
                    return std::task::Poll::Ready(None);
                }
                polls -= 1;
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            });
            let whole = rng.bool();
            let (stream, buffer) = (&stream, &mut buffer);
            let read = async move {
                Some(match whole {
                    true => stream.recv().await.unwrap().to_vec(),
                    false => {
                        let length = stream.read(buffer).await.unwrap();
                        buffer[..length].to_vec()
                    }
                })
            };
            let got = if dropped < 10_000 {
                race(give_up, read).await
            } else {
                read.await
            };
            match got {
                None => {
                    dropped += 1;
                    enough.store(dropped == 10_000, Ordering::Relaxed);
                }
                Some(bytes) if bytes.is_empty() => break,
                Some(bytes) => check(&bytes),
            }
        }
        assert!(dropped >= 10_000, "only {dropped} were dropped");
    });
    writer.join().unwrap();
}

fn two_flows_talk_on_one_connection(way: Way) {
    let (stream, peer) = pair();
    let far = std::thread::spawn(move || {
        let mut peer = peer;
        for n in 0..100_u8 {
            peer.write_all(&[n]).unwrap();
            let mut back = [0];
            peer.read_exact(&mut back).unwrap();
            assert_eq!(back[0], n);
        }
    });
    way.run(async {
        let (sender, receiver) = runtime::channel::<u8>(4);
        let (reading, writing) = (stream.clone(), stream);
        let reader = async move {
            loop {
                let chunk = reading.recv().await.unwrap();
                if chunk.is_empty() {
                    return;
                }
                for byte in chunk.iter() {
                    sender.send(*byte).await.unwrap();
                }
            }
        };
        let writer = async move {
            while let Ok(byte) = receiver.recv().await {
                writing.write_all(&[byte]).await.unwrap();
            }
        };
        if way.0 == Model::Blocking {
            runtime::join(reader, writer).await;
            return;
        }
        let (reader, writer) = (runtime::spawn(reader), runtime::spawn(writer));
        reader.await.unwrap();
        writer.await.unwrap();
    });
    far.join().unwrap();
}

fn a_half_closed_connection_still_reads(way: Way) {
    let (stream, mut peer) = pair();
    way.run(async {
        stream.write_all(b"last words").await.unwrap();
        stream.shutdown_write().unwrap();
        // On another thread, because the bytes may be sent with the loop's next wait.
        let other = std::thread::spawn(move || {
            let mut heard = String::new();
            peer.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "last words");
            peer.write_all(b"answer").unwrap();
        });
        assert_eq!(&*stream.recv().await.unwrap(), b"answer");
        assert!(stream.recv().await.unwrap().is_empty());
        assert!(stream.recv().await.unwrap().is_empty());
        other.join().unwrap();
    });
}

fn a_connection_is_made_by_name(way: Way) {
    way.run(async {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().as_tcp().unwrap();
        // Under `sim` time leaps, and the connection's own time limits would run out.
        if way.1 != Driver::Sim {
            let name = format!("localhost:{}", addr.port());
            let (client, server) = runtime::join(Stream::connect(&name), listener.accept()).await;
            client.unwrap().write_all(b"hi").await.unwrap();
            assert_eq!(&*server.unwrap().0.recv().await.unwrap(), b"hi");
        }
        drop(listener);
        let refused = Stream::connect(&addr.to_string()).await.unwrap_err();
        assert!(refused.to_string().contains(&addr.to_string()), "{refused}");
        let none = Stream::connect("nowhere").await.unwrap_err();
        assert!(none.to_string().contains("HOST:PORT"), "{none}");
    });
}

fn a_std_read_is_refused_only_in_a_task(way: Way) {
    let (stream, mut peer) = pair();
    peer.write_all(b"hello").unwrap();
    way.run(async {
        let mut buffer = [0; 5];
        let read = PlainStream::from(stream.clone()).read(&mut buffer);
        if way.0 == Model::Tasks {
            let refused = read.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
            assert!(
                refused.to_string().contains("model `tasks` cannot"),
                "{refused}"
            );
            stream.read_exact(&mut buffer).await.unwrap();
        }
        assert_eq!(&buffer, b"hello");
    });
}

fn a_cancelled_read_closes_its_stream(way: Way) {
    if way.0 == Model::Blocking {
        println!("skip: cancel a child under blocking: never: it spawns none");
        return;
    }
    let (stream, peer) = pair();
    way.run(async {
        let mut child = runtime::spawn(async move { stream.recv().await.map(drop) });
        runtime::yield_now().await;
        child.cancel();
        assert!(matches!(child.await, Err(runtime::JoinError::Cancelled)));
    });
    // The stream was dropped with its future.
    assert_eq!((&peer).read(&mut [0]).unwrap(), 0);
}

/// After readiness was reported, one poll of the read is enough.
fn a_read_that_is_ready_completes_at_its_first_poll(way: Way) {
    let (stream, mut peer) = pair();
    let peer = std::thread::spawn(move || {
        for byte in 0..50_u8 {
            peer.write_all(&[byte]).unwrap();
            peer.read_exact(&mut [0]).unwrap();
        }
    });
    way.run(async {
        for byte in 0..50_u8 {
            poll_fn(|context| stream.poll_ready(context, Direction::Read))
                .await
                .unwrap();
            // A blocking flow notes a read at its first poll, and makes the call at the next.
            let read = match way.0.has_loop() {
                true => poll_once(stream.recv()).await.expect("it was ready"),
                false => stream.recv().await,
            };
            assert_eq!(&*read.unwrap(), &[byte]);
            stream.write_all(&[0]).await.unwrap();
        }
    });
    peer.join().unwrap();
}
