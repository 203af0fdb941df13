//! A seeded random test: many connections echo at once, while their handlers drop operations, read in
//! every way, and migrate to other threads and loops. Every byte must come back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use futures_lite::future::poll_once;
use switchboard_net::{PlainStream, Stream};
use switchboard_runtime::{self as runtime, Driver, Model, race};

use crate::Way;

crate::stamp!(every_byte_comes_back);

const CLIENTS: usize = 6;

fn seed() -> u64 {
    let seed = std::env::var("SEED");
    seed.map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap())
}

/// Writes random bytes in random pieces while it reads them back.
fn client(stream: &TcpStream, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let size = [0, 1, 500, 70_000, 300_000][rng.usize(..5)];
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(size).collect();
    let most = [1 + size / 500, 5_000, 100_000][rng.usize(..3)];
    let mut back = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut left = &bytes[..];
            while !left.is_empty() {
                let piece = rng.usize(1..=most).min(left.len());
                (&*stream).write_all(&left[..piece]).unwrap();
                left = &left[piece..];
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        (&*stream).read_to_end(&mut back).unwrap();
    });
    assert!(back == bytes, "{} of {size} bytes came back", back.len());
}

/// Polls a read once and drops it unless it is complete.
async fn dropped_read(stream: &Stream) -> Option<Vec<u8>> {
    let polled = poll_once(stream.recv()).await?;
    Some(polled.unwrap().to_vec())
}

/// Polls a write once and drops it; returns the bytes sent, none if it was pending.
async fn dropped_write(stream: &Stream, bytes: &[u8]) -> usize {
    let polled = poll_once(stream.write(bytes)).await;
    polled.map_or(0, Result::unwrap)
}

/// Reads in a random way; `None` if no byte has come yet.
async fn read(stream: &Stream, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
    match rng.u8(..8) {
        0 => dropped_read(stream).await,
        1 => {
            let some = async { Some(stream.recv().await.unwrap().to_vec()) };
            let none = async {
                runtime::yield_now().await;
                None
            };
            race(some, none).await
        }
        2 => {
            let limit = Duration::from_micros(rng.u64(..200));
            let chunk = runtime::timeout(limit, stream.recv()).await;
            chunk.ok().map(|chunk| chunk.unwrap().to_vec())
        }
        3 | 4 => {
            let mut buffer = vec![0; rng.usize(1..5_000)];
            let length = stream.read(&mut buffer).await.unwrap();
            buffer.truncate(length);
            Some(buffer)
        }
        _ => Some(stream.recv().await.unwrap().to_vec()),
    }
}

/// Echoes in random ways for `rounds` or up to the end of input; returns whether that came.
async fn echo(stream: &Stream, rng: &mut fastrand::Rng, rounds: usize) -> bool {
    for _ in 0..rounds {
        let Some(bytes) = read(stream, rng).await else {
            continue;
        };
        if bytes.is_empty() {
            return true;
        }
        let most = rng.usize(1..=bytes.len());
        for mut piece in bytes.chunks(most) {
            if rng.u8(..4) == 0 {
                let sent = dropped_write(stream, piece).await;
                piece = &piece[sent..];
            }
            if rng.u8(..4) == 0 {
                let write = async { stream.write(piece).await.unwrap() };
                let none = async {
                    runtime::yield_now().await;
                    0
                };
                let sent = race(write, none).await;
                piece = &piece[sent..];
            }
            stream.write_all(piece).await.unwrap();
            if rng.u8(..) == 0 {
                runtime::yield_now().await;
            }
        }
    }
    false
}

/// Goes on in a thread of its own: on a loop, in a blocking flow, or by plain calls.
fn elsewhere(
    stream: Stream,
    driver: Driver,
    mut rng: fastrand::Rng,
) -> (Stream, fastrand::Rng, bool) {
    let (model, rounds) = match rng.u8(..3) {
        0 => {
            let mut buffer = [0; 999];
            let mut plain = PlainStream::from(stream);
            let length = plain.read(&mut buffer).unwrap();
            plain.write_all(&buffer[..length]).unwrap();
            return (plain.into(), rng, length == 0);
        }
        1 => (Model::Threads, 3),
        _ => (Model::Tasks, rng.usize(1..6)),
    };
    let ended = Way(model, driver).run(echo(&stream, &mut rng, rounds));
    (stream, rng, ended)
}

async fn handler(mut stream: Stream, driver: Driver, mut rng: fastrand::Rng) {
    loop {
        let rounds = rng.usize(1..20);
        if echo(&stream, &mut rng, rounds).await {
            break;
        }
        if rng.u8(..4) == 0 {
            let work = move || elsewhere(stream, driver, rng);
            let ended;
            (stream, rng, ended) = runtime::run_blocking(work).await.unwrap();
            if ended {
                break;
            }
        }
    }
    if rng.bool() {
        stream.shutdown_write().unwrap();
    }
}

fn every_byte_comes_back(way: Way) {
    let seed = seed();
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let other = match way.1 {
        // On other threads, time must not leap as it does under `sim`.
        Driver::Sim => Driver::Epoll,
        driver => driver,
    };
    std::thread::scope(|scope| {
        let (mut clients, mut streams) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let client_seed = rng.u64(..);
            let stream = TcpStream::connect(addr).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            stream
                .set_write_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            clients.push(scope.spawn(move || client(&stream, client_seed)));
            streams.push((Stream::from(listener.accept().unwrap().0), rng.fork()));
        }
        if way.0 == Model::Blocking {
            // One after another; the bytes of the others wait in their sockets.
            for (stream, rng) in streams {
                way.run(handler(stream, other, rng));
            }
        } else {
            let all = streams
                .into_iter()
                .map(|(stream, rng)| handler(stream, other, rng));
            way.run(async {
                runtime::gather(all.map(|one| async { runtime::spawn(one).await.unwrap() })).await
            });
        }
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
    });
}
