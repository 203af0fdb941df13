//! Random messages in random fragments, compressed or not, come the same however the bytes are divided.

mod support;

use std::env;

use flate2::{Compress, Compression, FlushCompress};
use support::{BINARY, CONTINUE, FIN, PING, PONG, RSV1, TEXT, decode, frame};
use switchboard_websocket::{Agreed, Decoder, Encoded, Encoder, Message, Role};

const LIMIT: usize = 1 << 20;

fn seeds() -> std::ops::Range<u64> {
    match env::var("SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..60,
    }
}

fn agreed(takeover: bool) -> Option<Agreed> {
    Some(Agreed {
        own_takeover: takeover,
        peer_takeover: takeover,
        own_bits: 15,
    })
}

/// Returns a payload whose text has characters of every length.
fn payload(random: &mut fastrand::Rng, is_text: bool) -> Vec<u8> {
    let length = *random.choice(&[0, 1, 5, 125, 126, 127, 300, 5000]).unwrap();
    match is_text {
        true => {
            let text: String = (0..length)
                .map(|_| *random.choice(&['a', 'ß', '€', '🦀']).unwrap())
                .collect();
            text.into_bytes()
        }
        false => (0..length).map(|_| random.u8(..)).collect(),
    }
}

struct Compressor(Compress, bool);

impl Compressor {
    fn deflate(&mut self, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            return vec![0];
        }
        if !self.1 {
            self.0.reset();
        }
        let mut out = Vec::with_capacity(payload.len() * 2 + 100);
        self.0
            .compress_vec(payload, &mut out, FlushCompress::Sync)
            .unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }
}

/// Returns messages, and their frames of a client or a server.
fn random_messages(
    random: &mut fastrand::Rng,
    role: Role,
    mut compressor: Option<Compressor>,
) -> (Vec<Message>, Vec<u8>) {
    let (mut messages, mut bytes) = (vec![], vec![]);
    for _ in 0..random.usize(1..8) {
        let is_text = random.bool();
        let plain = payload(random, is_text);
        let (mut first, mut rest) = (if is_text { TEXT } else { BINARY }, plain.clone());
        if let Some(compressor) = &mut compressor
            && random.bool()
        {
            (first, rest) = (first | RSV1, compressor.deflate(&plain));
        }
        let mask = |random: &mut fastrand::Rng| match role {
            Role::Client => Some(random.u32(..).to_be_bytes()),
            Role::Server => None,
        };
        for _ in 0..random.usize(..4) {
            let end = random.usize(..=rest.len());
            let fragment: Vec<u8> = rest.drain(..end).collect();
            bytes.extend(frame(first, mask(random), &fragment));
            first = CONTINUE;
            if random.bool() {
                let payload = vec![random.u8(..); random.usize(..126)];
                let is_ping = random.bool();
                let opcode = if is_ping { PING } else { PONG };
                bytes.extend(frame(FIN | opcode, mask(random), &payload));
                messages.push(match is_ping {
                    true => Message::Ping(payload.into()),
                    false => Message::Pong(payload.into()),
                });
            }
        }
        bytes.extend(frame(FIN | first, mask(random), &rest));
        messages.push(match is_text {
            true => Message::Text(String::from_utf8(plain).unwrap().into()),
            false => Message::Binary(plain.into()),
        });
    }
    (messages, bytes)
}

#[test]
fn any_division_gives_the_same_messages() {
    for seed in seeds() {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let sender = if random.bool() {
            Role::Client
        } else {
            Role::Server
        };
        let receiver = if sender == Role::Client {
            Role::Server
        } else {
            Role::Client
        };
        let (compresses, takeover) = (random.bool(), random.bool());
        let compressor = Compressor(Compress::new(Compression::default(), false), takeover);
        let compressor = compresses.then_some(compressor);
        let (expected, bytes) = random_messages(&mut random, sender, compressor);
        let agreed = agreed(takeover).filter(|_| compresses);
        let check = |pieces: Vec<&[u8]>| {
            let mut decoder = Decoder::new(receiver, LIMIT, agreed);
            let decoded = decode(&mut decoder, pieces);
            assert_eq!(decoded, (expected.clone(), None), "seed {seed}");
            assert!(decoder.is_idle());
        };
        check(vec![&bytes]);
        check(bytes.chunks(1).collect());
        for _ in 0..20 {
            let (mut rest, mut pieces) = (&bytes[..], vec![]);
            while !rest.is_empty() {
                let most = *random.choice(&[1, 3, 20, 2000]).unwrap();
                let (piece, after) = rest.split_at(random.usize(1..=most).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            check(pieces);
        }
    }
}

#[test]
fn both_roles_understand_each_other() {
    for seed in seeds() {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for (sender, receiver) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            for own_bits in [None, Some(8), Some(9), Some(12), Some(15)] {
                let takeover = random.bool();
                let agreed = own_bits.map(|own_bits| Agreed {
                    own_takeover: takeover,
                    peer_takeover: takeover,
                    own_bits,
                });
                let mut encoder = Encoder::new(sender, random.usize(..300), agreed);
                let mut decoder = Decoder::new(receiver, LIMIT, agreed);
                for _ in 0..10 {
                    let is_text = random.bool();
                    let payload = payload(&mut random, is_text);
                    let message = match is_text {
                        true => Message::Text(String::from_utf8(payload).unwrap().into()),
                        false => Message::Binary(payload.into()),
                    };
                    let frame = encoder.encode(&Encoded::message(&message).unwrap());
                    let decoded = decode(&mut decoder, [&frame[..]]);
                    assert_eq!(decoded, (vec![message], None), "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn damaged_bytes_do_no_harm() {
    for seed in seeds() {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let compressor = Compressor(Compress::new(Compression::default(), false), false);
        let (_, bytes) = random_messages(&mut random, Role::Client, Some(compressor));
        for _ in 0..50 {
            let mut damaged = bytes.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..damaged.len());
                damaged[at] = random.u8(..);
            }
            let mut decoder = Decoder::new(Role::Server, LIMIT, agreed(false));
            let whole = decode(&mut decoder, [&damaged[..]]);
            let mut decoder = Decoder::new(Role::Server, LIMIT, agreed(false));
            let (messages, violation) = decode(&mut decoder, damaged.chunks(7));
            // A text that fails may be found out earlier where it comes in pieces.
            assert_eq!(messages, whole.0, "seed {seed}");
            assert!(violation.is_some() || whole.1.is_none(), "seed {seed}");
        }
    }
}
