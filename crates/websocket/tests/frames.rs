//! A table of frames, and what a decoder makes of each.

mod support;

use std::mem::size_of;

use support::{BINARY, CLOSE, CONTINUE, FIN, PING, PONG, RSV1, TEXT, decode, frame};
use switchboard_net::Stream;
use switchboard_websocket::{CloseCode, Decoder, Message, Role, Violation, WebSocket};

const LIMIT: usize = 1000;

fn client(pieces: &[Vec<u8>]) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(Role::Client, LIMIT, None);
    decode(&mut decoder, pieces.iter().map(Vec::as_slice))
}

#[track_caller]
fn violates(pieces: &[Vec<u8>], expected: Violation) {
    let (_, violation) = client(pieces);
    assert_eq!(violation, Some(expected));
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

#[test]
fn messages_come_whole_and_in_fragments() {
    let (messages, violation) = client(&[
        plain(FIN | TEXT, b""),
        plain(FIN | TEXT, "käse".as_bytes()),
        plain(FIN | BINARY, &[0xff, 0]),
        plain(TEXT, &[0xc3]),
        plain(FIN | PING, b"are you there"),
        plain(CONTINUE, &[0xa4]),
        plain(FIN | PONG, b""),
        plain(FIN | CONTINUE, b""),
        plain(FIN | BINARY, &[7; LIMIT]),
        plain(FIN | CLOSE, &[3, 232, b'b', b'y', b'e']),
        plain(FIN | TEXT, b"nobody reads this"),
    ]);
    assert_eq!(violation, None);
    let payloads: Vec<&[u8]> = messages.iter().map(Message::payload).collect();
    assert_eq!(
        payloads,
        [
            b"",
            "käse".as_bytes(),
            &[0xff, 0],
            b"are you there",
            b"",
            "ä".as_bytes(),
            &[7; LIMIT],
            b"bye"
        ]
    );
    let Some(Message::Close(Some(close))) = messages.last() else {
        panic!("{messages:?}")
    };
    assert_eq!(close.code, CloseCode::Normal);
}

#[test]
fn what_the_protocol_forbids_is_a_violation() {
    use Violation::*;
    violates(&[plain(FIN | RSV1 | TEXT, b"")], ReservedBit);
    violates(&[plain(FIN | 0x20 | TEXT, b"")], ReservedBit);
    violates(&[plain(FIN | 0x10 | PING, b"")], ReservedBit);
    for opcode in (3..8).chain(11..16) {
        violates(&[plain(FIN | opcode, b"")], Opcode);
    }
    violates(&[frame(FIN | TEXT, Some([0; 4]), b"")], Masked);
    violates(&[vec![FIN | BINARY, 126, 0, 125]], Length);
    violates(
        &[vec![FIN | BINARY, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]],
        Length,
    );
    violates(
        &[vec![FIN | BINARY, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]],
        Length,
    );
    violates(&[plain(FIN | PING, &[0; 126])], LongControl);
    violates(&[plain(PING, b"")], FragmentedControl);
    violates(&[plain(FIN | CONTINUE, b"")], NoMessage);
    violates(&[plain(TEXT, b"a"), plain(FIN | TEXT, b"b")], MessageWithin);
    violates(&[plain(FIN | CLOSE, &[3])], CloseLength);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        violates(&[plain(FIN | CLOSE, &code.to_be_bytes())], CloseCode);
    }
    violates(&[plain(FIN | CLOSE, &[3, 232, 0xff])], Utf8);
}

#[test]
fn close_codes_that_may_be_sent_are_taken() {
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999] {
        let (messages, violation) = client(&[plain(FIN | CLOSE, &code.to_be_bytes())]);
        assert_eq!((messages.len(), violation), (1, None), "{code}");
    }
    assert_eq!(client(&[plain(FIN | CLOSE, b"")]).0, [Message::Close(None)]);
}

#[test]
fn a_client_masks_its_frames() {
    let mut decoder = Decoder::new(Role::Server, LIMIT, None);
    let masked = frame(FIN | TEXT, Some(*b"mask"), b"hello");
    let decoded = decode(&mut decoder, [&masked[..]]);
    assert_eq!(decoded, (vec![Message::Text("hello".into())], None));
    let unmasked = plain(FIN | TEXT, b"hello");
    let decoded = decode(&mut decoder, [&unmasked[..]]);
    assert_eq!(decoded, (vec![], Some(Violation::Unmasked)));
}

#[test]
fn a_text_that_cannot_become_utf8_fails_at_once() {
    // The frame says that more follows.
    for start in [
        &b"\xff"[..],
        b"abc\xc3\x28",
        b"\xed\xa0",
        b"\xf4\x90",
        b"\xc0",
    ] {
        let head = [TEXT, 100];
        violates(&[[&head, start].concat()], Violation::Utf8);
        violates(&[plain(TEXT, start)], Violation::Utf8);
    }
    // What may go on is waited for, until the message ends.
    violates(&[plain(FIN | TEXT, b"\xe2\x82")], Violation::Utf8);
    violates(
        &[
            plain(TEXT, b"\xe2"),
            plain(CONTINUE, b"\x82"),
            plain(CONTINUE, b"a"),
        ],
        Violation::Utf8,
    );
}

#[test]
fn messages_over_the_limit_are_refused_before_they_come() {
    violates(&[vec![FIN | BINARY, 126, 0x03, 0xe9]], Violation::TooLarge);
    violates(
        &[vec![
            FIN | BINARY,
            127,
            0x7f,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
        ]],
        Violation::TooLarge,
    );
    let half = [0; LIMIT / 2];
    violates(
        &[plain(BINARY, &half), plain(CONTINUE, &half), vec![FIN, 1]],
        Violation::TooLarge,
    );
}

#[test]
fn nothing_is_read_behind_a_violation() {
    let mut decoder = Decoder::new(Role::Client, LIMIT, None);
    assert!(decoder.decode(&mut &plain(FIN | 3, b"")[..]).is_err());
    let text = plain(FIN | TEXT, b"hello");
    let mut input = &text[..];
    assert_eq!(decoder.decode(&mut input), Ok(None));
    assert!(input.is_empty());
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Decoder>() <= 96, "{}", size_of::<Decoder>());
    let socket = size_of::<WebSocket<Stream>>();
    assert!(socket <= 224, "{socket}");
    println!(
        "Decoder {}, WebSocket<Stream> {socket}",
        size_of::<Decoder>()
    );
    let mut decoder = Decoder::new(Role::Client, LIMIT, None);
    assert!(decoder.is_idle());
    for (piece, is_idle) in [
        (&b"\x81"[..], false),
        (b"\x02a", false),
        (b"b", true),
        (b"\x89\x01", false),
        (b"a", true),
    ] {
        decode(&mut decoder, [piece]);
        assert_eq!(decoder.is_idle(), is_idle);
    }
}
