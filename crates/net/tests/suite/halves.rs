//! Peeks, vectored writes, halves of a connection, and descriptors that are passed.

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use futures_lite::{AsyncWriteExt, future};
use switchboard_net::Stream;
use switchboard_runtime as runtime;

use crate::{Way, pair};

crate::stamp!(
    a_peek_leaves_the_bytes_to_the_next_read
    a_peek_waits_and_finds_the_end_of_input
    buffers_are_sent_in_order_by_one_call
    borrowed_halves_read_and_write_at_once
    dropping_the_write_half_ends_its_direction
    halves_of_one_connection_are_reunited
    descriptors_arrive_with_their_bytes
    bytes_behind_a_descriptor_are_not_forgotten
    descriptors_arrive_after_a_plain_read_has_waited
);

fn a_peek_leaves_the_bytes_to_the_next_read(way: Way) {
    let (stream, mut peer) = pair();
    peer.write_all(b"hello").unwrap();
    way.run(async {
        let mut buffer = [0; 8];
        for length in 1..=5 {
            let peeked = stream.peek(&mut buffer[..length]).await.unwrap();
            assert_eq!(&buffer[..peeked], &b"hello"[..length]);
        }
        assert_eq!(stream.read(&mut buffer[..2]).await.unwrap(), 2);
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 3);
        assert_eq!(&*stream.recv().await.unwrap(), b"llo");
    });
}

fn a_peek_waits_and_finds_the_end_of_input(way: Way) {
    let (stream, mut peer) = pair();
    way.run(async {
        let mut buffer = [0; 8];
        let late = runtime::timeout(Duration::from_millis(1), stream.peek(&mut buffer)).await;
        assert!(late.is_err(), "none was sent yet");
        let other = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            peer.write_all(b"hello").unwrap();
        });
        // The receive that a completion driver has in flight takes the bytes, and the peek finds them.
        assert_ne!(stream.peek(&mut buffer).await.unwrap(), 0);
        stream.read_exact(&mut buffer[..5]).await.unwrap();
        assert_eq!(&buffer[..5], b"hello");
        other.join().unwrap();
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 0);
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 0);
        assert!(stream.recv().await.unwrap().is_empty());
    });
}

fn buffers_are_sent_in_order_by_one_call(way: Way) {
    let (stream, mut peer) = pair();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    let body = vec![b'b'; 300_000];
    way.run(async {
        let buffers = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"two "),
        ];
        assert_eq!(stream.write_vectored(&buffers).await.unwrap(), 8);
        let sent = AsyncWriteExt::write_vectored(&mut &stream, &buffers).await;
        assert_eq!(sent.unwrap(), 8);
        let mut large = [IoSlice::new(&body), IoSlice::new(b"end")];
        stream.write_all_vectored(&mut large).await.unwrap();
        let mut many: Vec<_> = (0..3000).map(|_| IoSlice::new(b"x")).collect();
        stream.write_all_vectored(&mut many).await.unwrap();
    });
    drop(stream);
    let all = reader.join().unwrap();
    assert_eq!(&all[..16], b"one two one two ");
    assert_eq!(all.len(), 16 + 300_000 + 3 + 3000);
    assert_eq!(&all[16 + 300_000..][..4], b"endx");
}

fn borrowed_halves_read_and_write_at_once(way: Way) {
    const LENGTH: usize = 1 << 20;
    let (mut stream, mut peer) = pair();
    let echo = std::thread::spawn(move || {
        let mut buffer = vec![0; 10_000];
        loop {
            match peer.read(&mut buffer).unwrap() {
                0 => break,
                length => peer.write_all(&buffer[..length]).unwrap(),
            }
        }
    });
    way.run(async {
        let (reader, mut writer) = stream.split();
        let bytes = vec![7; LENGTH];
        let write = async {
            writer.write_all(&bytes).await.unwrap();
            // Of the trait: ends the direction.
            writer.close().await.unwrap();
        };
        let read = async {
            let mut total = 0;
            loop {
                match reader.recv().await.unwrap().len() {
                    0 => return total,
                    length => total += length,
                }
            }
        };
        assert_eq!(future::zip(write, read).await.1, LENGTH);
    });
    echo.join().unwrap();
}

fn dropping_the_write_half_ends_its_direction(way: Way) {
    let (stream, mut peer) = pair();
    let (reader, writer) = stream.into_split();
    way.run(async {
        writer.write_all(b"question").await.unwrap();
        drop(writer);
        let other = std::thread::spawn(move || {
            let mut all = String::new();
            peer.read_to_string(&mut all).unwrap();
            assert_eq!(all, "question");
            peer.write_all(b"answer").unwrap();
        });
        let mut answer = [0; 6];
        reader.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        assert!(reader.recv().await.unwrap().is_empty());
        other.join().unwrap();
    });
}

fn halves_of_one_connection_are_reunited(way: Way) {
    let (stream, mut peer) = pair();
    let (other, _other_peer) = pair();
    let (reader, writer) = stream.into_split();
    let (other_reader, other_writer) = other.into_split();
    let error = reader.reunite(other_writer).unwrap_err();
    assert!(error.to_string().contains("not of one connection"));
    let (reader, _other_writer) = (error.0, error.1);
    drop(other_reader);
    let stream = writer.reunite(reader).unwrap();
    way.run(async {
        stream.write_all(b"hello").await.unwrap();
    });
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

fn descriptors_arrive_with_their_bytes(way: Way) {
    let (here, there) = Stream::pair().unwrap();
    let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().unwrap()).collect();
    way.run(async {
        let writers: Vec<_> = pipes.iter().map(|(_, writer)| writer.as_fd()).collect();
        assert_eq!(there.send_fds(b"two", &writers[..2]).await.unwrap(), 3);
        assert_eq!(there.send_fds(b"one", &writers[2..]).await.unwrap(), 3);
        there.write_all(b"none").await.unwrap();
        let mut buffer = [0; 64];
        let mut received = Vec::new();
        let mut text = Vec::new();
        while text.len() < 10 {
            let (length, fds) = here.recv_fds(&mut buffer).await.unwrap();
            text.extend_from_slice(&buffer[..length]);
            received.extend(fds);
        }
        assert_eq!(&text, b"twoonenone");
        for (fd, (mut reader, writer)) in received.into_iter().zip(pipes) {
            drop(writer);
            std::fs::File::from(fd).write_all(b"through").unwrap();
            let mut all = String::new();
            reader.read_to_string(&mut all).unwrap();
            assert_eq!(all, "through");
        }
        assert!(there.send_fds(b"", &[]).await.is_err());
        let empty = here.recv_fds(&mut []).await.unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::InvalidInput);
        drop(there);
        let (end, none) = here.recv_fds(&mut buffer).await.unwrap();
        assert_eq!((end, none.len()), (0, 0));
    });
}

/// A receive stops at a descriptor, so that it is short although bytes are left, for which no event comes.
fn bytes_behind_a_descriptor_are_not_forgotten(way: Way) {
    let (here, there) = Stream::pair().unwrap();
    here.expect_fds();
    let (reader, _writer) = std::io::pipe().unwrap();
    way.run(async {
        let late = runtime::timeout(Duration::from_millis(1), here.recv()).await;
        assert!(late.is_err(), "none was sent yet");
        for byte in [b"a", b"b", b"c"] {
            there.send_fds(byte, &[reader.as_fd()]).await.unwrap();
        }
        assert_eq!(&*here.recv().await.unwrap(), b"a");
        let mut buffer = [0; 8];
        let (length, fds) = here.recv_fds(&mut buffer).await.unwrap();
        assert_eq!((length, buffer[0], fds.len()), (1, b'b', 1));
        assert_eq!(&*here.recv().await.unwrap(), b"c");
    });
}

fn descriptors_arrive_after_a_plain_read_has_waited(way: Way) {
    let (here, there) = Stream::pair().unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    way.run(async {
        // Leaves a receive of a completion driver in flight.
        let late = runtime::timeout(Duration::from_millis(1), here.recv()).await;
        assert!(late.is_err(), "none was sent yet");
        let mut buffer = [0; 8];
        let late = runtime::timeout(Duration::from_millis(1), here.recv_fds(&mut buffer)).await;
        assert!(late.is_err(), "none was sent yet");
        there.send_fds(b"a", &[reader.as_fd()]).await.unwrap();
        let (length, fds) = here.recv_fds(&mut buffer).await.unwrap();
        assert_eq!((length, fds.len()), (1, 1));
    });
}
