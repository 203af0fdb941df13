//! Peeks at completions, and receives that are cancelled. Only io_uring has completions.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use switchboard_driver::{CompletionDriver, Driver, Event, Poller, Request, Token};

use crate::support::{exclusive, is_unsupported};

const SOCKET: Token = Token(0);

/// Waits for the next event of the socket.
fn wait(poller: &mut dyn Poller) {
    let mut events: Vec<Event> = Vec::new();
    while events.is_empty() {
        poller
            .wait(&mut events, Some(Duration::from_secs(10)))
            .expect("the ring waits");
    }
    assert!(events.iter().all(|event| event.token == SOCKET));
}

#[test]
fn a_peek_leaves_the_completion() {
    let _guard = exclusive();
    if is_unsupported(Driver::Uring) {
        return;
    }
    let mut poller = Driver::Uring.open().expect("the ring opens");
    let (here, mut there) = UnixStream::pair().expect("the pair opens");
    let ring = poller.completion_driver().expect("the ring completes");
    ring.request(SOCKET, here.as_fd(), Request::Bytes)
        .expect("the receive starts");
    there.write_all(b"hello").expect("the bytes are sent");
    wait(&mut *poller);
    let ring = poller.completion_driver().expect("the ring completes");
    let mut buffer = [0; 8];
    ring.completions(SOCKET, &mut |all| {
        for length in [2, 5, 8] {
            let peeked = all.peek(&mut buffer[..length]).expect("bytes have come");
            assert_eq!(&buffer[..peeked], &b"hello"[..length.min(5)]);
        }
        assert_eq!(all.read(&mut buffer[..4]).expect("bytes are left").0, 4);
        assert_eq!(all.peek(&mut buffer).expect("a byte is left"), 1);
        assert_eq!(all.read(&mut buffer).expect("a byte is left").0, 1);
        let none = all.peek(&mut buffer).expect_err("no byte is left");
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
    });
    ring.close(SOCKET, here.into());
}

#[test]
fn a_cancelled_receive_ends_with_an_event_and_takes_no_more_bytes() {
    let _guard = exclusive();
    if is_unsupported(Driver::Uring) {
        return;
    }
    let mut poller = Driver::Uring.open().expect("the ring opens");
    let (mut here, mut there) = UnixStream::pair().expect("the pair opens");
    let ring = poller.completion_driver().expect("the ring completes");
    assert!(!ring.stop(SOCKET), "none is in flight");
    ring.request(SOCKET, here.as_fd(), Request::Bytes)
        .expect("the receive starts");
    assert!(ring.stop(SOCKET));
    assert!(ring.stop(SOCKET), "it has not ended yet");
    wait(&mut *poller);
    let ring = poller.completion_driver().expect("the ring completes");
    assert!(!ring.is_requested(SOCKET));
    assert!(!ring.stop(SOCKET));
    there.write_all(b"hello").expect("the bytes are sent");
    let mut events = Vec::new();
    poller
        .wait(&mut events, Some(Duration::from_millis(10)))
        .expect("the ring waits");
    assert!(events.is_empty(), "nothing is requested");
    let mut buffer = [0; 5];
    here.read_exact(&mut buffer)
        .expect("the socket has the bytes");
    assert_eq!(&buffer, b"hello");
    // A later request receives again.
    let ring = poller.completion_driver().expect("the ring completes");
    ring.request(SOCKET, here.as_fd(), Request::Bytes)
        .expect("the receive starts");
    there.write_all(b"more").expect("the bytes are sent");
    wait(&mut *poller);
    let ring = poller.completion_driver().expect("the ring completes");
    assert_eq!(&*ring.recv(SOCKET).expect("bytes have come").0, b"more");
    ring.close(SOCKET, here.into());
}
