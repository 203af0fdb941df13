//! Operations that are dropped at any moment lose nothing and send nothing twice.

mod support;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use support::{FIN, PING, TEXT, decode, frame};
use switchboard_net::{Chunk, Stream};
use switchboard_websocket::{Agreed, Decoder, Encoded, Message, Options, Role, WebSocket, Wire};

/// A stream that gives and takes bytes as it is told to, and is not ready in between.
#[derive(Default)]
struct Script {
    input: VecDeque<u8>,
    /// How many bytes each read gives.
    gives: usize,
    output: Vec<u8>,
    /// How many bytes are taken before it is full.
    space: Rc<Cell<usize>>,
    /// Whether the last read gave bytes.
    has_given: bool,
}

impl Wire for Script {
    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<io::Result<Chunk>> {
        self.has_given = !self.has_given && !self.input.is_empty();
        if !self.has_given {
            return Poll::Pending;
        }
        let count = self.gives.min(self.input.len());
        let bytes: Vec<u8> = self.input.drain(..count).collect();
        Poll::Ready(Ok(Chunk::from(&bytes[..])))
    }

    fn poll_send_vectored(
        &mut self,
        _: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.to_vec()).collect();
        let count = self.space.get().min(all.len());
        if count == 0 {
            return Poll::Pending;
        }
        self.space.set(self.space.get() - count);
        self.output.extend(&all[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn socket(&self) -> Option<&Stream> {
        None
    }
}

/// Polls a future once, and drops it.
fn once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let texts = ["", "hello", &"ä".repeat(100)];
    let mut input = vec![];
    for text in texts {
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        input.extend(frame(TEXT, Some(*b"abcd"), first));
        input.extend(frame(FIN | PING, Some(*b"efgh"), b"ping"));
        input.extend(frame(FIN, Some(*b"ijkl"), second));
    }
    for gives in 1..=input.len() {
        let script = Script {
            input: input.iter().copied().collect(),
            gives,
            space: Rc::new(Cell::new(usize::MAX)),
            ..Script::default()
        };
        let mut socket = WebSocket::new(script, Role::Server, &Options::new(), None);
        let (mut messages, mut idle) = (vec![], 0);
        while idle < 3 || !socket.stream().input.is_empty() {
            match once(socket.recv()) {
                Poll::Ready(message) => {
                    idle = 0;
                    messages.extend(message.unwrap());
                }
                Poll::Pending => idle += 1,
            }
        }
        let received: Vec<&str> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(received, texts, "{gives}");
        assert_eq!(
            socket.stream().output,
            frame(FIN | 10, None, b"ping").repeat(3)
        );
    }
}

/// Sends messages with little space, and drops each send that has to wait; returns what came out, and which were begun.
fn send_with_drops(role: Role, agreed: Option<Agreed>, step: usize, has_pings: bool) {
    let options = Options::new().compress_from(0);
    let space = Rc::new(Cell::new(0));
    let script = Script {
        gives: 1000,
        space: space.clone(),
        ..Script::default()
    };
    let mut socket = WebSocket::new(script, role, &options, agreed);
    let texts: Vec<String> = (0..30).map(|number| number.to_string().repeat(9)).collect();
    // A message that was dropped before its first byte may be missing. The others are there once, in order.
    let mut certain = vec![];
    for text in &texts {
        space.set(step);
        match once(socket.send(text)) {
            Poll::Ready(sent) => {
                sent.unwrap();
                certain.push(text.clone());
            }
            Poll::Pending if has_pings => {
                let _ = once(socket.ping(b"p"));
            }
            Poll::Pending => {}
        }
    }
    space.set(usize::MAX);
    once(socket.send("end"))
        .map(Result::unwrap)
        .is_ready()
        .then_some(())
        .unwrap();
    let receiver = if role == Role::Server {
        Role::Client
    } else {
        Role::Server
    };
    let mut decoder = Decoder::new(receiver, 1 << 20, agreed);
    let (messages, violation) = decode(&mut decoder, [&socket.stream().output[..]]);
    assert_eq!(violation, None);
    assert!(decoder.is_idle());
    let came: Vec<String> = messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Text(text) => Some(text.to_string()),
            _ => None,
        })
        .collect();
    let mut expected = texts
        .iter()
        .chain([&"end".to_owned()])
        .cloned()
        .collect::<Vec<_>>()
        .into_iter();
    assert!(
        came.iter().all(|text| expected.any(|sent| sent == *text)),
        "{came:?}"
    );
    assert!(certain.iter().all(|text| came.contains(text)), "{came:?}");
    assert_eq!(came.last().map(String::as_str), Some("end"));
}

#[test]
fn a_dropped_send_sends_a_message_whole_or_not_at_all() {
    let agreed = |takeover| {
        Some(Agreed {
            own_takeover: takeover,
            peer_takeover: takeover,
            own_bits: 15,
        })
    };
    for step in 0..60 {
        for role in [Role::Server, Role::Client] {
            for agreed in [None, agreed(false), agreed(true)] {
                send_with_drops(role, agreed, step, false);
                send_with_drops(role, agreed, step, true);
            }
        }
    }
}

#[test]
fn a_send_of_several_messages_takes_as_many_as_there_is_space_for() {
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let messages: Vec<Encoded> = texts.iter().map(Encoded::from).collect();
    let whole: Vec<u8> = messages
        .iter()
        .flat_map(|message| message.frame().to_vec())
        .collect();
    for step in 1..50 {
        let space = Rc::new(Cell::new(0));
        let script = Script {
            space: space.clone(),
            ..Script::default()
        };
        let mut socket = WebSocket::new(script, Role::Server, &Options::new(), None);
        let mut context = Context::from_waker(Waker::noop());
        let mut rest = &messages[..];
        while !rest.is_empty() {
            space.set(step);
            if let Poll::Ready(taken) = socket.poll_send(&mut context, rest) {
                let taken = taken.unwrap();
                assert!(taken > 0);
                rest = &rest[taken..];
            }
        }
        space.set(usize::MAX);
        assert!(socket.poll_flush(&mut context).is_ready());
        assert_eq!(socket.stream().output, whole, "{step}");
    }
}
