//! Compressed messages that are more than they seem.

mod support;

use flate2::{Compress, Compression, FlushCompress};
use support::{BINARY, CONTINUE, FIN, RSV1, TEXT, decode, frame};
use switchboard_websocket::{Agreed, Decoder, Message, Role, Violation};

const AGREED: Option<Agreed> = Some(Agreed {
    own_takeover: false,
    peer_takeover: false,
    own_bits: 15,
});

fn deflated(payload: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 1000);
    Compress::new(Compression::best(), false)
        .compress_vec(payload, &mut out, flush)
        .unwrap();
    out
}

fn decoded(limit: usize, pieces: &[Vec<u8>]) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(Role::Client, limit, AGREED);
    decode(&mut decoder, pieces.iter().map(Vec::as_slice))
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let mut bomb = deflated(&vec![0; 64 << 20], FlushCompress::Sync);
    bomb.truncate(bomb.len() - 4);
    let whole = frame(FIN | RSV1 | BINARY, None, &bomb);
    for limit in [0, 1, 1000, 1 << 20, (64 << 20) - 1] {
        let refused = decoded(limit, std::slice::from_ref(&whole));
        assert_eq!(refused, (vec![], Some(Violation::TooLarge)), "{limit}");
    }
    let (messages, violation) = decoded(64 << 20, &[whole]);
    assert_eq!(violation, None);
    assert_eq!(messages[0].payload().len(), 64 << 20);
}

#[test]
fn the_limit_counts_what_is_decompressed_and_not_what_comes() {
    // A stored block for each byte: much longer than what it says.
    let mut stored = vec![];
    for byte in b"hello" {
        stored.extend([0, 1, 0, 0xfe, 0xff, *byte]);
    }
    stored.push(0);
    let whole = frame(FIN | RSV1 | TEXT, None, &stored);
    let text = vec![Message::Text("hello".into())];
    assert_eq!(decoded(5, std::slice::from_ref(&whole)), (text, None));
    assert_eq!(decoded(4, &[whole]), (vec![], Some(Violation::TooLarge)));
}

#[test]
fn a_stream_may_end_within_a_message() {
    let mut ended = deflated(b"hello", FlushCompress::Finish);
    ended.push(0);
    let whole = frame(FIN | RSV1 | TEXT, None, &ended);
    let text = vec![Message::Text("hello".into())];
    assert_eq!(decoded(5, &[whole]), (text, None));
}

#[test]
fn what_is_no_stream_is_a_violation() {
    for bytes in [&[7_u8][..], &[0xff; 20], b"hello world"] {
        let whole = frame(FIN | RSV1 | BINARY, None, bytes);
        assert_eq!(
            decoded(1000, &[whole]).1,
            Some(Violation::Deflate),
            "{bytes:?}"
        );
    }
    // Only the first frame of a message says that it is compressed.
    let pieces = [
        frame(BINARY, None, b""),
        frame(FIN | RSV1 | CONTINUE, None, b""),
    ];
    assert_eq!(decoded(1000, &pieces).1, Some(Violation::ReservedBit));
}

#[test]
fn a_violation_leaves_no_trace_in_the_next_connection() {
    let broken = frame(FIN | RSV1 | BINARY, None, &[7]);
    let mut good = deflated(b"hello", FlushCompress::Sync);
    good.truncate(good.len() - 4);
    let good = frame(FIN | RSV1 | TEXT, None, &good);
    for _ in 0..10 {
        assert_eq!(
            decoded(1000, std::slice::from_ref(&broken)).1,
            Some(Violation::Deflate)
        );
        let text = vec![Message::Text("hello".into())];
        assert_eq!(decoded(1000, std::slice::from_ref(&good)), (text, None));
    }
}
