//! Chats: terminators wherever reads are split, pushed bytes, and ends.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use switchboard_callbacks::{AsyncChat, Channels, Chat, ChatHandler, Terminator};
use switchboard_runtime::{self as runtime, Driver, Model};

use crate::{Log, pair, reset, rest, tcp, until_empty};

crate::stamp!(
    a_terminator_split_over_reads_is_found
    lengths_and_lines_alternate
    without_a_terminator_all_is_collected
    random_reads_yield_the_same_messages
    producers_are_called_in_order
    a_handler_pushes_to_other_chats
    a_reset_ends_a_chat
    a_producer_that_pushes_keeps_its_place
    a_chat_sends_before_it_receives
    a_chat_goes_on_after_a_panic_of_its_producer
    a_closed_chat_collects_nothing
);

/// Records each message as a line of the log and then calls `next` with it.
struct Collect<F> {
    message: Vec<u8>,
    log: Log,
    next: F,
}

impl<F: FnMut(&[u8], &Chat) + 'static> ChatHandler for Collect<F> {
    fn collect_incoming_data(&mut self, data: &[u8]) {
        assert!(!data.is_empty());
        self.message.extend(data);
    }
    fn found_terminator(&mut self, chat: &Chat) {
        let message = std::mem::take(&mut self.message);
        self.log.add(String::from_utf8_lossy(&message));
        (self.next)(&message, chat);
    }
    fn handle_close(&mut self, chat: &Chat) {
        self.log
            .add(format!("left {:?}", String::from_utf8_lossy(&self.message)));
        chat.close_when_done();
    }
}

/// Sends `pieces` to a chat, each in a write of its own, and returns its log and the bytes it pushed.
fn talk(
    driver: Driver,
    terminator: Terminator,
    pieces: Vec<Vec<u8>>,
    next: impl FnMut(&[u8], &Chat) + 'static,
) -> (Vec<String>, Vec<u8>) {
    let (stream, mut peer) = pair();
    let log = Log::default();
    let (message, own) = (Vec::new(), log.clone());
    let channels = Channels::new();
    channels.add(
        stream,
        AsyncChat::new(
            Collect {
                message,
                log: own,
                next,
            },
            terminator,
        ),
    );
    let peer = std::thread::spawn(move || {
        for piece in pieces {
            peer.write_all(&piece).unwrap();
            std::thread::yield_now();
        }
        peer.shutdown(Shutdown::Write).unwrap();
        rest(peer)
    });
    channels.run_until_empty(driver).unwrap();
    (log.lines(), peer.join().unwrap())
}

fn bytes(terminator: &str) -> Terminator {
    Terminator::Bytes(terminator.into())
}

fn a_terminator_split_over_reads_is_found(driver: Driver) {
    let pieces = ["one\r", "\n\r\ntwo\r\r", "\n", "\r\n", "three\r\n\r"];
    let pieces = pieces.map(|piece| piece.as_bytes().to_vec()).to_vec();
    let (log, _) = talk(driver, bytes("\r\n\r\n"), pieces, |_, _| {});
    assert_eq!(log, ["one", "two\r", r#"left "three""#]);
}

/// Tests the framing of HTTP: a head that ends with a terminator, and a body of a known length.
fn lengths_and_lines_alternate(driver: Driver) {
    let text = "5\nhello0\n\n3\nabc12\nhello\nworld\n4\nab";
    let pieces = text.as_bytes().chunks(3).map(<[u8]>::to_vec).collect();
    let (log, pushed) = talk(driver, bytes("\n"), pieces, |message, chat| {
        let text = String::from_utf8_lossy(message);
        let line = chat.terminator() == bytes("\n");
        match text.parse() {
            Ok(length) if line => chat.set_terminator(Terminator::Length(length)),
            _ => {
                chat.set_terminator(bytes("\n"));
                chat.push(message);
                chat.push(b";");
            }
        }
    });
    // A length of zero is the same as no terminator, as in asynchat.
    assert_eq!(
        log,
        [
            "5",
            "hello",
            "0",
            r#"left "\n3\nabc12\nhello\nworld\n4\nab""#
        ]
    );
    assert_eq!(pushed, b"hello;");
}

fn without_a_terminator_all_is_collected(driver: Driver) {
    let (log, _) = talk(
        driver,
        Terminator::None,
        vec![b"all\n".into(), b"of it".into()],
        |_, _| {},
    );
    assert_eq!(log, [r#"left "all\nof it""#]);
}

fn random_reads_yield_the_same_messages(driver: Driver) {
    let seed = std::env::var("SEED");
    let seed = seed.map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..20 {
        let terminator = ["ab", "aab", "abab", "aaa", "b"][rng.usize(..5)];
        let text: String = (0..rng.usize(..200))
            .map(|_| ['a', 'b'][rng.usize(..2)])
            .collect();
        let mut pieces = Vec::new();
        let mut left = text.as_bytes();
        while !left.is_empty() {
            let (piece, rest) = left.split_at(1 + rng.usize(..left.len().min(9)));
            pieces.push(piece.to_vec());
            left = rest;
        }
        let mut expected: Vec<&str> = text.split(terminator).collect();
        let last = expected.pop().unwrap();
        let (log, pushed) = talk(driver, bytes(terminator), pieces, |message, chat| {
            chat.push(message);
            chat.push(b".");
        });
        let (left, messages) = log.split_last().unwrap();
        assert_eq!(messages, expected, "{text} by {terminator}");
        // Bytes that may begin a terminator are kept back.
        let collected = left
            .strip_prefix("left \"")
            .unwrap()
            .strip_suffix('"')
            .unwrap();
        let kept = last.strip_prefix(collected).unwrap();
        assert!(terminator.starts_with(kept), "{left} of {last}");
        let all: String = expected
            .iter()
            .map(|message| format!("{message}."))
            .collect();
        assert_eq!(String::from_utf8(pushed).unwrap(), all);
    }
}

fn producers_are_called_in_order(driver: Driver) {
    let (_, pushed) = talk(driver, bytes("\n"), vec![b"go\n".into()], |_, chat| {
        let mut blocks = 0..40_u8;
        let own = chat.clone();
        // The producer makes more than a socket takes at once. Its own push comes after earlier pushes.
        let producer = move || match blocks.next() {
            Some(n) => vec![n; 10_000],
            None => {
                own.push(b"late");
                Vec::new()
            }
        };
        chat.push(b"first");
        chat.push_with_producer(producer);
        chat.push(b"then");
    });
    let mut expected = b"first".to_vec();
    (0..40_u8).for_each(|n| expected.extend([n; 10_000]));
    expected.extend(b"thenlate");
    assert!(pushed == expected, "{} bytes", pushed.len());
}

fn a_handler_pushes_to_other_chats(driver: Driver) {
    let channels = Channels::new();
    let members: Rc<RefCell<Vec<Chat>>> = Rc::default();
    let mut peers = Vec::new();
    for _ in 0..3 {
        let (stream, peer) = pair();
        let (members, own) = (members.clone(), Rc::downgrade(&members));
        let next = move |message: &[u8], _: &Chat| {
            for member in own.upgrade().unwrap().borrow().iter() {
                member.push(message);
            }
        };
        let (message, log) = (Vec::new(), Log::default());
        let chat = AsyncChat::new(Collect { message, log, next }, bytes("\n"));
        members.borrow_mut().push(chat.chat().clone());
        channels.add(stream, chat);
        peers.push(peer);
    }
    let talk = std::thread::spawn(move || {
        use std::io::Read;
        for (n, word) in ["one\n", "two\n", "six\n"].into_iter().enumerate() {
            peers[n].write_all(word.as_bytes()).unwrap();
            for peer in &mut peers {
                let mut heard = [0; 3];
                peer.read_exact(&mut heard).unwrap();
                assert_eq!(&heard[..], &word.as_bytes()[..3]);
            }
        }
    });
    channels.run_until_empty(driver).unwrap();
    talk.join().unwrap();
    // No cycle of references keeps a channel open.
    let chats = members.take();
    assert!(
        chats
            .iter()
            .all(|chat| chat.channel().is_none_or(|channel| !channel.is_connected()))
    );
}

#[derive(Default)]
struct RecordMessages(Vec<String>, Log);

impl ChatHandler for RecordMessages {
    fn collect_incoming_data(&mut self, data: &[u8]) {
        self.0.push(String::from_utf8_lossy(data).into());
    }
    fn found_terminator(&mut self, chat: &Chat) {
        let message = self.0.drain(..).collect::<String>();
        if message == "QUIT" {
            chat.close();
        }
        self.1.add(message);
    }
}

fn chat(log: &Log) -> AsyncChat<RecordMessages> {
    let handler = RecordMessages(Vec::new(), log.clone());
    AsyncChat::new(handler, Terminator::Bytes(b"\n".to_vec()))
}

fn a_reset_ends_a_chat(driver: Driver) {
    let (stream, mut peer) = tcp();
    let channels = Channels::new();
    let chat = chat(&Log::default());
    chat.chat().push(&[0; 5_000_000]);
    channels.add(stream, chat);
    let peer = std::thread::spawn(move || {
        peer.read_exact(&mut [0; 1000]).unwrap();
        reset(&peer);
    });
    until_empty(driver, &channels);
    peer.join().unwrap();
}

fn a_producer_that_pushes_keeps_its_place(driver: Driver) {
    let (stream, peer) = pair();
    let chat = chat(&Log::default());
    let (out, own, mut calls) = (chat.chat().clone(), chat.chat().clone(), 0);
    out.push_with_producer(move || {
        calls += 1;
        match calls {
            1 => own.push(&[b'l'; 3_000_000]),
            2 => own.close_when_done(),
            _ => return Vec::new(),
        }
        b"first,".to_vec()
    });
    out.push(b"queued,");
    let channels = Channels::new();
    channels.add(stream, chat);
    let reader = std::thread::spawn(move || rest(peer));
    until_empty(driver, &channels);
    let got = reader.join().unwrap();
    assert!(
        got.starts_with(b"first,first,queued,lll"),
        "{:?}",
        &got[..20]
    );
    assert_eq!(got.len(), 3_000_019);
}

fn a_chat_sends_before_it_receives(driver: Driver) {
    let (stream, peer) = pair();
    let chat = chat(&Log::default());
    let own = chat.chat().clone();
    let channels = Channels::new();
    channels.add(stream, chat);
    let speaks = async {
        runtime::sleep(Duration::from_millis(1)).await;
        own.push(b"hello");
        own.close_when_done();
        channels.until_empty().await;
    };
    let limit = runtime::timeout(Duration::from_secs(600), speaks);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
    assert_eq!(rest(peer), b"hello");
}

fn a_chat_goes_on_after_a_panic_of_its_producer(driver: Driver) {
    let (stream, peer) = pair();
    let chat = chat(&Log::default());
    let own = chat.chat().clone();
    let channels = Channels::new();
    channels.add(stream, chat);
    let speaks = async {
        runtime::sleep(Duration::from_millis(1)).await;
        // A handler of another channel may push, so this need not be the end of the chat's own.
        let push = || own.push_with_producer(|| panic!("as asked"));
        assert!(catch_unwind(AssertUnwindSafe(push)).is_err());
        own.push(b"hello");
        own.close_when_done();
        channels.until_empty().await;
    };
    let limit = runtime::timeout(Duration::from_secs(600), speaks);
    Model::Callbacks.run_with(driver, limit).unwrap().unwrap();
    assert_eq!(rest(peer), b"hello");
}

fn a_closed_chat_collects_nothing(driver: Driver) {
    let (stream, mut peer) = pair();
    peer.write_all(b"HELO\nQUIT\nDELETE\n").unwrap();
    let log = Log::default();
    let channels = Channels::new();
    channels.add(stream, chat(&log));
    until_empty(driver, &channels);
    assert_eq!(log.lines(), ["HELO", "QUIT"]);
}
