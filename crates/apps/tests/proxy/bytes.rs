//! Bytes that peers send in pieces, receive to the end, or cut with a reset.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;

use fastrand::Rng;
use switchboard_net::Stream;

pub(crate) fn bytes(rng: &mut Rng) -> Vec<u8> {
    let length = [0, 1, 100, 16 * 1024, 300_000, 2_000_000][rng.usize(..6)];
    (0..rng.usize(0..=length)).map(|_| rng.u8(..)).collect()
}

/// Sends bytes in pieces, and ends the direction.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8], rng: &mut Rng) {
    let mut left = bytes;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(rng.usize(1..=100_000).min(left.len()));
        stream.write_all(piece).unwrap();
        left = rest;
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

pub(crate) fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Sends while it receives.
pub(crate) fn send_and_receive(mut stream: TcpStream, bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| send(&mut writer, bytes, rng));
        receive(&mut stream)
    })
}

/// Each side sends before, while or after it receives.
pub(crate) fn exchange(mut stream: TcpStream, bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..3) {
        0 => {
            send(&mut stream, bytes, rng);
            receive(&mut stream)
        }
        1 => {
            let mut fork = rng.fork();
            send_and_receive(stream, bytes, &mut fork)
        }
        _ => {
            let all = receive(&mut stream);
            send(&mut stream, bytes, rng);
            all
        }
    }
}

/// Has one side reset its connection, and checks that the other side and the proxy's error say so.
pub(crate) fn check_reset(
    resets: TcpStream,
    mut other: TcpStream,
    serving: JoinHandle<std::io::Result<()>>,
    back_end: SocketAddr,
) {
    Stream::from(resets).reset_on_close().unwrap();
    let error = other.read(&mut [0; 5]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = serving.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(error.to_string().contains(&back_end.to_string()), "{error}");
}
