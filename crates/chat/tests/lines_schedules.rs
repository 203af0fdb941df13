//! Random schedules over lines: bytes that come in any pieces, and clients that are cut at any byte and come back.

mod support;

use std::collections::BTreeMap;

use switchboard_callbacks::Connection;
use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService, Now};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Model};

/// The seeds to run: that of `SEED`, or from 0 on.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = std::env::var("SEED").map(|seed| seed.parse().expect("SEED is a number"));
    first.map_or(0..count, |first| first..first + 1)
}

fn hub() -> Hub {
    let options = HubOptions {
        history: usize::MAX,
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    };
    Hub::new(options, InMemory)
}

/// Serves a new connection by an async function or by callbacks, and returns the client's side.
fn connect(service: &LineService, by_callbacks: bool) -> Stream {
    let (here, there) = Stream::pair().unwrap();
    let service = service.clone();
    runtime::spawn_local(async move {
        // A client that has gone is no failure here.
        let _ = match by_callbacks {
            true => Connection::new(there, service.protocol()).await,
            false => service.serve(there).await,
        };
    })
    .detach();
    here
}

/// A client that remembers what it has seen.
#[derive(Default)]
struct Client {
    nick: String,
    session: String,
    stream: Option<Stream>,
    /// The beginning of a line.
    begun: Vec<u8>,
    /// The epoch of the room, and the offset that was seen last.
    position: Option<(u64, u64)>,
    texts: BTreeMap<u64, String>,
    said: usize,
}

impl Client {
    async fn come_back(&mut self, service: &LineService, by_callbacks: bool) {
        self.begun.clear();
        self.stream = Some(connect(service, by_callbacks));
        let enter = match self.position {
            Some((epoch, offset)) => format!("/since tea {epoch} {offset}"),
            None => "/join tea".to_owned(),
        };
        let (nick, session) = (&self.nick, &self.session);
        self.write(format!("/name {nick} {session}\n{enter}\n"))
            .await;
    }

    async fn write(&self, lines: String) {
        if let Some(stream) = &self.stream {
            stream.write_all(lines.as_bytes()).await.unwrap();
        }
    }

    async fn say(&mut self) {
        self.said += 1;
        self.write(format!("{}-{}\n", self.nick, self.said)).await;
    }

    /// Reads some bytes, if they come soon.
    async fn read(&mut self, most: usize) {
        let Some(stream) = self.stream.clone() else {
            return;
        };
        let mut buffer = vec![0; most];
        let soon = async {
            for _ in 0..10 {
                runtime::yield_now().await;
            }
            0
        };
        let read = async { stream.read(&mut buffer).await.unwrap() };
        let length = runtime::race(read, soon).await;
        self.begun.extend_from_slice(&buffer[..length]);
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            self.told(std::str::from_utf8(&line[..end]).unwrap());
        }
    }

    fn told(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |name: &str| {
            let field = words.iter().find_map(|word| word.strip_prefix(name));
            field.unwrap().parse::<u64>().unwrap()
        };
        match words[..] {
            ["*", "joined", "#tea", ..] if self.position.is_none() => {
                self.position = Some((number("epoch="), 0));
            }
            ["*", "joined", "#tea", ..] => {
                assert!(line.ends_with(" recovered=yes"), "{}: {line}", self.nick);
            }
            ["#tea", offset, _, from, text] => {
                let offset = offset.parse().unwrap();
                let (_, last) = self.position.as_mut().unwrap();
                assert_eq!(offset, *last + 1, "{}: {line}", self.nick);
                *last = offset;
                self.texts.insert(offset, format!("{from} {text}"));
            }
            ["*", "error" | "bye" | "gap", ..] => panic!("{}: {line}", self.nick),
            _ => {}
        }
    }

    fn has_seen(&self) -> u64 {
        self.position.map_or(0, |(_, offset)| offset)
    }
}

async fn schedule(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let service = LineService::new(hub(), LineOptions::default());
    let mut clients: Vec<Client> = (0..random.usize(2..5))
        .map(|number| Client {
            nick: format!("user{number}"),
            session: format!("the-session-of-user{number}"),
            ..Client::default()
        })
        .collect();
    for _ in 0..200 {
        let which = random.usize(..clients.len());
        let client = &mut clients[which];
        match random.u32(0..100) {
            0..20 if client.stream.is_none() => client.come_back(&service, random.bool()).await,
            20..50 => client.say().await,
            50..95 => client.read(random.usize(1..300)).await,
            95.. => client.stream = None,
            _ => {}
        }
    }
    for client in &mut clients {
        if client.stream.is_none() {
            client.come_back(&service, random.bool()).await;
        }
    }
    // All that was sent is said before what is said now.
    let mut last = 0;
    for client in &mut clients {
        client.say().await;
        let text = format!("<{0}> {0}-{1}", client.nick, client.said);
        while !client.texts.values().any(|seen| *seen == text) {
            client.read(4096).await;
        }
        last = last.max(client.has_seen());
    }
    for client in &mut clients {
        while client.has_seen() < last {
            client.read(4096).await;
        }
        assert_eq!(client.texts.len() as u64, client.has_seen());
    }
    let (first, others) = clients.split_first().unwrap();
    for other in others {
        assert_eq!(first.texts, other.texts);
    }
}

#[test]
fn clients_that_are_cut_have_the_whole_history() {
    for seed in seeds(300) {
        let _shown = support::Shown(seed);
        Model::Tasks.run(schedule(seed)).unwrap();
    }
}

/// Returns some of what clients might send.
fn noise(random: &mut fastrand::Rng) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "/name",
        "/join",
        "/to",
        "/msg",
        "/since",
        "/history",
        "/topic",
        "/part",
        "/who",
        "/ping",
        "tea",
        "ann",
        "@ann",
        "18446744073709551615",
        "\u{1b}[2J",
        "/",
    ];
    let mut bytes = Vec::new();
    for _ in 0..random.usize(1..200) {
        match random.u32(0..20) {
            0 => bytes.push(random.u8(..)),
            1..5 => bytes.push(b'\n'),
            5 => bytes.extend_from_slice("é\u{202e}\r\0".as_bytes()),
            6 if random.u32(0..10) == 0 => bytes.resize(bytes.len() + 20_000, b'x'),
            _ => {
                bytes.extend_from_slice(WORDS[random.usize(..WORDS.len())].as_bytes());
                bytes.push(b' ');
            }
        }
    }
    bytes
}

async fn any_bytes(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let service = LineService::new(hub(), LineOptions::default());
    let stream = connect(&service, random.bool());
    if random.bool() {
        stream.write_all(b"/name ann\n/join tea\n").await.unwrap();
    }
    let noise = noise(&mut random);
    let write = async {
        for piece in noise.chunks(random.usize(1..500)) {
            // It may have been ended.
            if stream.write_all(piece).await.is_err() {
                return;
            }
            runtime::yield_now().await;
        }
        let _ = stream.shutdown_write();
    };
    let read = async {
        let mut heard = Vec::new();
        while let chunk = stream.recv().await.unwrap()
            && !chunk.is_empty()
        {
            heard.extend_from_slice(&chunk);
        }
        heard
    };
    let ((), heard) = runtime::join(write, read).await;
    let heard = String::from_utf8(heard).unwrap();
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("* bye "), "{last}");
    for line in heard.strip_suffix('\n').unwrap().split('\n') {
        assert!(line.starts_with(['*', '#', '@']), "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn any_bytes_are_answered_in_lines() {
    for seed in seeds(500) {
        let _shown = support::Shown(seed);
        Model::Tasks.run(any_bytes(seed)).unwrap();
    }
}

/// Who says what no line shows is shown to others in pictures.
#[test]
fn the_engine_takes_what_the_lines_show() {
    let (hub, now) = (hub(), Now::read());
    let mut ann = hub.connect(now);
    ann.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    ann.receive(br#"{"type":"join","room":"tea"}"#, now);
    ann.receive(br#"{"type":"topic","room":"tea","text":"a\rb"}"#, now);
    ann.receive(br#"{"type":"rooms"}"#, now);
    ann.receive(br#"{"type":"nothing"}"#, now);
    let mut parcels = Vec::new();
    ann.take(usize::MAX, &mut parcels);
    for parcel in &parcels {
        let lines = String::from_utf8_lossy(parcel.lines());
        // Every update of the engine has its own line.
        assert!(!lines.starts_with("* update "), "{lines}");
    }
}
