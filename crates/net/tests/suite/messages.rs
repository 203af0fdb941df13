//! Lines and frames.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use switchboard_net::{Frames, Lines};
use switchboard_runtime as runtime;

use crate::{Way, pair};

crate::stamp!(
    lines_are_found_however_they_are_split
    a_line_that_is_too_long_is_an_error
    a_dropped_wait_for_a_line_loses_nothing
    bytes_behind_the_last_line_are_returned
    frames_are_found_however_they_are_split
    a_frame_that_is_too_long_or_cut_off_is_an_error
);

/// Writes the parts on another thread, with pauses, so that they are received one by one.
fn write_parts(mut peer: std::os::unix::net::UnixStream, parts: Vec<Vec<u8>>) {
    std::thread::spawn(move || {
        for part in parts {
            peer.write_all(&part).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

fn lines_are_found_however_they_are_split(way: Way) {
    let text = b"one\n\ntwo words\r\n\r\nlonger than others\nlast";
    let expected: [&[u8]; 6] = [
        b"one",
        b"",
        b"two words",
        b"",
        b"longer than others",
        b"last",
    ];
    for size in [1, 2, 3, 7, 100] {
        let (stream, peer) = pair();
        write_parts(peer, text.chunks(size).map(<[u8]>::to_vec).collect());
        way.run(async {
            let mut lines = Lines::new(stream, 18);
            for line in expected {
                assert_eq!(
                    lines.next().await.unwrap(),
                    Some(line),
                    "in parts of {size}"
                );
            }
            assert_eq!(lines.next().await.unwrap(), None);
            assert_eq!(lines.next().await.unwrap(), None);
        });
    }
}

fn a_line_that_is_too_long_is_an_error(way: Way) {
    for (text, size) in [
        ("12345\n123456\n", 100),
        ("12345\n1234567890", 3),
        ("12345\r\n123456\n", 4),
    ] {
        let (stream, peer) = pair();
        let kept = peer.try_clone().unwrap();
        write_parts(
            peer,
            text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect(),
        );
        way.run(async {
            let mut lines = Lines::new(stream, 5);
            assert_eq!(lines.next().await.unwrap(), Some(&b"12345"[..]));
            // Found before the input ends.
            for _ in 0..2 {
                let error = lines.next().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{text}");
            }
        });
        drop(kept);
    }
}

fn a_dropped_wait_for_a_line_loses_nothing(way: Way) {
    let (stream, mut peer) = pair();
    way.run(async {
        let mut lines = Lines::new(stream, 100);
        for part in ["on", "e\ntw", "o\r", "\nth"] {
            peer.write_all(part.as_bytes()).unwrap();
            match runtime::timeout(Duration::from_millis(5), lines.next()).await {
                Err(_) => assert!(matches!(part, "on" | "o\r"), "{part}"),
                Ok(line) => {
                    let line = line.unwrap().unwrap();
                    assert_eq!(line, if part == "e\ntw" { &b"one"[..] } else { b"two" });
                }
            }
        }
        peer.write_all(b"ree\n").unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(&b"three"[..]));
    });
}

fn bytes_behind_the_last_line_are_returned(way: Way) {
    let (stream, mut peer) = pair();
    peer.write_all(b"upgrade\nbinary").unwrap();
    way.run(async {
        let mut lines = Lines::new(stream, 100);
        assert_eq!(lines.next().await.unwrap(), Some(&b"upgrade"[..]));
        let (stream, unread) = lines.into_parts();
        assert_eq!(unread, b"binary");
        peer.write_all(b"more").unwrap();
        assert_eq!(&*stream.recv().await.unwrap(), b"more");
    });
}

fn frames_are_found_however_they_are_split(way: Way) {
    let messages: [&[u8]; 4] = [b"one", b"", b"a longer message", b"x"];
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend((message.len() as u32).to_be_bytes());
        bytes.extend(message);
    }
    for size in [1, 3, 5, 100] {
        let (stream, peer) = pair();
        write_parts(peer, bytes.chunks(size).map(<[u8]>::to_vec).collect());
        way.run(async {
            let mut frames = Frames::new(stream, 16);
            for message in messages {
                assert_eq!(
                    frames.next().await.unwrap(),
                    Some(message),
                    "in parts of {size}"
                );
            }
            assert_eq!(frames.next().await.unwrap(), None);
        });
    }
    let (a, b) = switchboard_net::Stream::pair().unwrap();
    way.run(async {
        let a = Frames::new(a, 1 << 20).prefix_bytes(3);
        let mut b = Frames::new(b, 1 << 20).prefix_bytes(3);
        let large = vec![5; 1 << 20];
        let send = async {
            a.send(&large).await.unwrap();
            a.send(b"small").await.unwrap();
        };
        let receive = async {
            assert!(b.next().await.unwrap() == Some(&large[..]));
            assert_eq!(b.next().await.unwrap(), Some(&b"small"[..]));
        };
        runtime::join(send, receive).await;
    });
}

fn a_frame_that_is_too_long_or_cut_off_is_an_error(way: Way) {
    let cases: [(&[u8], ErrorKind); 3] = [
        (b"\0\0\0\x05hello\0\0\0\x06", ErrorKind::InvalidData),
        (b"\0\0\0\x05hello\0\0", ErrorKind::UnexpectedEof),
        (b"\0\0\0\x05hello\0\0\0\x03ab", ErrorKind::UnexpectedEof),
    ];
    for (bytes, kind) in cases {
        let (stream, mut peer) = pair();
        peer.write_all(bytes).unwrap();
        drop(peer);
        way.run(async {
            let mut frames = Frames::new(stream, 5);
            assert_eq!(frames.next().await.unwrap(), Some(&b"hello"[..]));
            assert_eq!(frames.next().await.unwrap_err().kind(), kind);
            let error = frames.send(b"too long").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        });
    }
    // The sum of the message's length and its prefix's overflows.
    let (stream, mut peer) = pair();
    peer.write_all(&[0xff; 8]).unwrap();
    way.run(async {
        let mut frames = Frames::new(stream, usize::MAX).prefix_bytes(8);
        let error = frames.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}
