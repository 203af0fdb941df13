//! The chat as lines of text, under every model, and by callbacks under every driver.

#[path = "../../runtime/tests/support/ways.rs"]
mod ways;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_callbacks::Connection;
use switchboard_chat::{
    Disk, Hub, HubOptions, InMemory, LineOptions, LineService, Now, Parcel, sign,
};
use switchboard_net::Stream;
use switchboard_runtime::{self as runtime, Model};
use ways::{Way, stamp};

const SECRET: &[u8] = b"a secret of the tests";

/// Stamps cases over all ways, and over the callbacks of each driver.
macro_rules! stamp_all {
    ($($case:ident)*) => {
        stamp!(real time: $($case)*);
        stamp!(@ callbacks_select Callbacks Select $($case)*);
        stamp!(@ callbacks_poll Callbacks Poll $($case)*);
        stamp!(@ callbacks_epoll Callbacks Epoll $($case)*);
        stamp!(@ callbacks_uring Callbacks Uring $($case)*);
        stamp!(@ callbacks_portable Callbacks Portable $($case)*);
    };
}

stamp_all! {
    two_people_talk
    lines_and_json_are_one_room
    a_client_that_comes_back_gets_what_it_missed
    a_slow_reader_is_ended_behind_a_whole_line
    a_line_that_is_too_long_is_refused
    bytes_that_are_no_text_are_refused
    a_token_that_has_expired_ends_the_connection
    a_name_that_is_taken_is_refused
    a_stop_says_goodbye
    a_name_that_does_not_come_ends_the_connection
    a_client_with_a_name_may_be_silent
    the_inbox_goes_on_where_it_was_read
    a_web_request_is_refused
    a_web_request_with_a_long_address_is_refused
    the_end_of_input_leaves_behind_all_answers
    a_name_is_free_once_its_client_has_left
    what_is_kept_later_is_answered_before_the_end
    a_name_with_a_password_is_said_with_it
    answers_that_are_not_read_stop_the_reading
    a_flood_is_ended
}

// They take as long as a client that leaves has time.
stamp!(@ tasks_leaving Tasks Epoll a_client_that_leaves_and_does_not_read_is_let_go);
stamp!(@ callbacks_leaving Callbacks Epoll a_client_that_leaves_and_does_not_read_is_let_go);

/// The client's side of a connection.
struct Person {
    stream: Stream,
    heard: String,
    /// The line that said where the inbox begins.
    inbox: Option<String>,
}

impl Person {
    async fn say(&self, lines: impl AsRef<[u8]>) {
        self.stream.write_all(lines.as_ref()).await.unwrap();
    }

    /// Reads to the next line that has `part` in it, and returns that.
    async fn until(&mut self, part: &str) -> String {
        loop {
            while let Some((line, rest)) = self.heard.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.heard = rest;
                if line.contains(part) {
                    return line;
                }
            }
            assert!(self.read().await, "{part:?} did not come");
        }
    }

    /// Reads to the end, and returns all that was not taken before.
    async fn rest(&mut self) -> String {
        while self.read().await {}
        std::mem::take(&mut self.heard)
    }

    async fn read(&mut self) -> bool {
        let chunk = self.stream.recv().await.unwrap();
        // Characters may be divided among chunks, and the tests look for none.
        self.heard += &String::from_utf8_lossy(&chunk);
        !chunk.is_empty()
    }

    async fn enter(&mut self, nick: &str) -> String {
        self.say(format!("/name {nick}\n/join tea\n")).await;
        let welcome = self.until("* welcome ").await;
        self.inbox = Some(self.until("* inbox ").await);
        self.until("* members #tea ").await;
        welcome
    }
}

/// Returns the value of a field in a line.
fn field(line: &str, name: &str) -> String {
    let value = line.split(name).nth(1).unwrap();
    value.split(' ').next().unwrap().to_owned()
}

async fn serve(way: Way, service: &LineService, stream: Stream) -> io::Result<()> {
    match way.0 {
        Model::Callbacks => Connection::new(stream, service.protocol()).await,
        _ => service.serve(stream).await,
    }
}

/// Serves some people until they have done what they do, and left.
fn run<const N: usize>(way: Way, service: &LineService, act: impl AsyncFnOnce([Person; N])) {
    way.run(async {
        let pairs = [(); N].map(|()| Stream::pair().unwrap());
        let (mut people, mut served) = (Vec::new(), Vec::new());
        for (stream, there) in pairs {
            people.push(Person {
                stream,
                heard: String::new(),
                inbox: None,
            });
            served.push(serve(way, service, there));
        }
        let Ok(people) = people.try_into() else {
            unreachable!()
        };
        let (served, ()) = runtime::join(runtime::gather(served), act(people)).await;
        for served in served {
            // A client may go without reading to the end.
            let gone = |error: &io::Error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                )
            };
            assert!(served.as_ref().err().is_none_or(gone), "{served:?}");
        }
    });
}

fn service(options: HubOptions) -> LineService {
    LineService::new(Hub::new(options, InMemory), LineOptions::default())
}

/// Returns options without a limit of how often a client may speak.
fn unlimited() -> HubOptions {
    HubOptions {
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    }
}

fn two_people_talk(way: Way) {
    let service = service(unlimited());
    run(way, &service, async |[mut ann, mut ben]| {
        assert!(
            ann.until("").await.starts_with("* hello: "),
            "who comes is told how to begin"
        );
        ann.say("hello?\n").await;
        let early = ann.until("* error ").await;
        assert!(early.starts_with("* error out_of_order: "), "{early}");
        ann.enter("ann").await;
        ben.enter("ben").await;
        assert_eq!(ann.until("ben").await, "* here #tea ben members=2");
        ann.say("hello\r\n//slash\n").await;
        for person in [&mut ann, &mut ben] {
            let heard = person.until(" <ann> hello").await;
            assert!(
                heard.starts_with("#tea 1 20") && heard.ends_with("Z <ann> hello"),
                "{heard}"
            );
            person.until(" <ann> /slash").await;
        }
        ben.say("/topic green\n/who\n/history 1 2\n/rooms\n/ping 1\n")
            .await;
        assert!(
            ann.until("#tea 3")
                .await
                .ends_with(" * ben sets the topic: green")
        );
        assert_eq!(ben.until("* members").await, "* members #tea 2: ann ben");
        let history = ben.until("* history").await;
        assert!(history.ends_with(" messages=1 complete=yes"), "{history}");
        assert!(ben.until("#tea 1").await.ends_with(" <ann> hello"));
        assert_eq!(ben.until("* rooms").await, "* rooms 1: #tea(2)");
        assert_eq!(ben.until("* pong").await, "* pong 1");
        ben.say("/msg ann for you\n/to milk text\n/join milk\n/to tea from afar\n")
            .await;
        assert!(ann.until("@ann 1 ").await.ends_with(" <ben> for you"));
        ben.until("* told @ann offset=1").await;
        let outside = ben.until("* error not_a_member").await;
        assert!(
            outside.ends_with("enter #milk first, by /join milk"),
            "{outside}"
        );
        ann.until("#tea 4 ").await;
        ben.say("now in milk\n/part\n/nobody\n/quit\n").await;
        ben.until("#milk 1 ").await;
        ben.until("* left #milk").await;
        ben.until("* error unknown: there is no /nobody").await;
        assert_eq!(ben.rest().await, "* bye 1000 again=no: you have left\n");
        assert_eq!(ann.until("ben").await, "* gone #tea ben members=1");
    });
}

/// A client of another transport sees the same room.
fn lines_and_json_are_one_room(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut ann]| {
        let (now, mut parcels) = (Now::read(), Vec::<Parcel>::new());
        let mut json = hub.connect(now);
        json.receive(br#"{"type":"hello","nick":"json"}"#, now);
        json.receive(br#"{"type":"join","room":"tea"}"#, now);
        ann.enter("ann").await;
        ann.say("a line\n").await;
        ann.until(" <ann> a line").await;
        json.receive(
            br#"{"type":"say","room":"tea","text":"two\nlines \u001b[2J"}"#,
            now,
        );
        assert!(
            ann.until("#tea 2 ")
                .await
                .ends_with(" <json> two␊lines ␛[2J")
        );
        json.take(usize::MAX, &mut parcels);
        let told = format!("{parcels:?}");
        assert!(
            told.contains(r#""offset":1,"from":"ann","text":"a line""#),
            "{told}"
        );
    });
}

fn a_client_that_comes_back_gets_what_it_missed(way: Way) {
    let service = service(unlimited());
    run(
        way,
        &service,
        async |[mut ann, mut ben, mut again, mut late]| {
            let welcome = ann.enter("ann").await;
            let session = field(&welcome, "session=");
            ben.enter("ben").await;
            ben.say("/who\none\n").await;
            ben.until("* members").await;
            ann.until("#tea 1 ").await;
            // More comes than it reads, so that the end is a cut.
            ann.say("/help\n".repeat(500)).await;
            ann.stream.read(&mut [0]).await.unwrap();
            drop(ann);
            ben.until("* away #tea ann").await;
            ben.say("two\nthree\n").await;
            ben.until("#tea 3 ").await;
            ben.say("/part\n/join tea\n").await;
            let joined = ben.until("* joined").await;
            let epoch = field(&joined, "epoch=");
            again
                .say(format!("/name ann {session}\n/since tea {epoch} 1\n/who\n"))
                .await;
            let welcome = again.until("* welcome").await;
            assert!(welcome.ends_with(" resumed=yes"), "{welcome}");
            let joined = again.until("* joined #tea").await;
            assert_eq!(
                joined,
                format!("* joined #tea epoch={epoch} offset=3 recovered=yes")
            );
            again.until("* members #tea").await;
            assert!(again.until("").await.starts_with("#tea 2 "));
            assert!(again.until("").await.starts_with("#tea 3 "));
            assert_eq!(again.until("").await, "* members #tea 2: ann ben");
            // Another run of the history, of which nothing was seen.
            late.say("/name late\n/since tea 1 1\n").await;
            let joined = late.until("* joined #tea").await;
            assert!(joined.ends_with(" offset=3 recovered=no"), "{joined}");
            assert!(late.until("#tea ").await.starts_with("* members #tea 3"));
            assert!(late.until("").await.starts_with("#tea 1 "));
        },
    );
}

fn a_slow_reader_is_ended_behind_a_whole_line(way: Way) {
    let hub = Hub::new(
        HubOptions {
            outbox: 100_000,
            ..unlimited()
        },
        InMemory,
    );
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut frozen]| {
        frozen.enter("frozen").await;
        let now = Now::read();
        let mut talker = hub.connect(now);
        talker.receive(br#"{"type":"hello","nick":"talker"}"#, now);
        talker.receive(br#"{"type":"join","room":"tea"}"#, now);
        let say = format!(
            r#"{{"type":"say","room":"tea","text":"{}"}}"#,
            "x".repeat(5000)
        );
        // More than the sockets of this machine hold.
        let mut told = String::new();
        while !told.contains(r#""nick":"frozen","state":"away""#) {
            talker.receive(say.as_bytes(), now);
            let mut parcels = Vec::new();
            talker.take(usize::MAX, &mut parcels);
            told = format!("{parcels:?}");
            runtime::yield_now().await;
        }
        let heard = frozen.rest().await;
        let (lines, bye) = heard.trim_end().rsplit_once('\n').unwrap();
        assert!(bye.starts_with("* bye 4001 again=yes: slow: "), "{bye}");
        let messages: Vec<&str> = lines.lines().filter(|line| line.starts_with('#')).collect();
        assert!(!messages.is_empty());
        for (at, line) in messages.iter().enumerate() {
            assert!(line.starts_with(&format!("#tea {} ", at + 1)), "{line}");
            assert!(line.ends_with(&say[say.len() - 5000 - 2..say.len() - 2]));
        }
    });
}

/// What `nc … | less` does.
fn a_client_that_leaves_and_does_not_read_is_let_go(way: Way) {
    let options = HubOptions {
        outbox: usize::MAX,
        ..unlimited()
    };
    let hub = Hub::new(options, InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut frozen]| {
        frozen.enter("frozen").await;
        let now = Now::read();
        let mut talker = hub.connect(now);
        talker.receive(br#"{"type":"hello","nick":"talker"}"#, now);
        talker.receive(br#"{"type":"join","room":"tea"}"#, now);
        let text = "x".repeat(5000);
        let say = format!(r#"{{"type":"say","room":"tea","text":"{text}"}}"#);
        // More than the sockets of this machine hold.
        for _ in 0..1000 {
            talker.receive(say.as_bytes(), now);
        }
        runtime::yield_now().await;
        frozen.say("/quit\n").await;
        let mut told = String::new();
        while !told.contains(r#""nick":"frozen","state":"gone""#) {
            std::future::poll_fn(|context| talker.poll_ready(context)).await;
            let mut parcels = Vec::new();
            talker.take(usize::MAX, &mut parcels);
            told = format!("{parcels:?}");
        }
        let heard = frozen.rest().await;
        assert!(heard.contains("\n* bye 4001 "), "no last line");
    });
}

fn a_line_that_is_too_long_is_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        let long = "x".repeat(1_000_000);
        let both = async {
            let said = format!("{long}\n/ping\n");
            ann.stream.write_all(said.as_bytes()).await.unwrap();
        };
        both.await;
        let refused = ann.until("* error").await;
        assert_eq!(refused, "* error malformed: a line has at most 16896 bytes");
        ann.until("* pong").await;
        // The engine's own limit is one of the text.
        ann.say(format!("{}\n", &long[..16_385])).await;
        let refused = ann.until("* error").await;
        assert_eq!(
            refused,
            "* error invalid: a text has at most 16384 bytes (#tea)"
        );
    });
}

fn bytes_that_are_no_text_are_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        ann.say(b"caf\xe9\n/ping\n").await;
        let refused = ann.until("* error").await;
        assert!(refused.contains("not valid UTF-8"), "{refused}");
        ann.until("* pong").await;
        for _ in 0..9 {
            ann.say(b"\xff\xfb\x01\n").await;
        }
        let ended = ann.rest().await;
        assert!(ended.contains("* bye 4503 again=no: "), "{ended}");
    });
}

fn a_token_that_has_expired_ends_the_connection(way: Way) {
    let service = service(HubOptions {
        secret: Some(SECRET.to_vec()),
        ..HubOptions::default()
    });
    let token = |life| {
        let nick = "ann".parse().unwrap();
        sign(SECRET, &nick, Now::read(), Duration::from_secs(life))
    };
    run(way, &service, async |[mut none, mut old, mut ann]| {
        none.say("/name ann\n").await;
        let ended = none.rest().await;
        assert!(ended.contains("* bye 4500 again=no: "), "{ended}");
        old.say(format!("/name ann {}\n", token(0))).await;
        let ended = old.rest().await;
        assert!(ended.contains("* bye 4501 again=no: "), "{ended}");
        // It is good at first.
        ann.say(format!("/name ann {}\n", token(2))).await;
        ann.until("* welcome ann").await;
        let ended = ann.rest().await;
        assert!(ended.contains("* bye 4501 again=no: "), "{ended}");
    });
}

fn a_name_that_is_taken_is_refused(way: Way) {
    run(way, &service(unlimited()), async |[mut ann, mut other]| {
        ann.enter("ann").await;
        other.say("/name Ann\n").await;
        let refused = other.until("* error").await;
        assert!(
            refused.starts_with("* error nick_taken: the name `Ann` is in use"),
            "{refused}"
        );
        other.say("/name a/n\n").await;
        let refused = other.until("* error").await;
        assert!(
            refused.starts_with("* error invalid: `a/n` is no name"),
            "{refused}"
        );
        other.enter("anna").await;
    });
}

fn a_stop_says_goodbye(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut ann, mut unnamed]| {
        ann.enter("ann").await;
        unnamed.until("* hello").await;
        hub.stop();
        for person in [&mut ann, &mut unnamed] {
            let ended = person.rest().await;
            assert!(
                ended.ends_with(
                    "* bye 4000 again=yes: the server restarts: come back in a moment\n"
                ),
                "{ended}"
            );
        }
    });
}

fn a_name_that_does_not_come_ends_the_connection(way: Way) {
    let options = LineOptions {
        hello: Duration::from_millis(50),
        ..LineOptions::default()
    };
    let service = LineService::new(Hub::new(HubOptions::default(), InMemory), options);
    run(way, &service, async |[mut silent]| {
        let ended = silent.rest().await;
        assert!(
            ended.ends_with("* bye 4004 again=yes: no `/name` in time\n"),
            "{ended}"
        );
    });
}

/// Who writes other lines has more time for a name, but not for ever; who has one is not bound by that.
fn a_client_with_a_name_may_be_silent(way: Way) {
    let options = LineOptions {
        hello: Duration::from_millis(50),
        ..LineOptions::default()
    };
    let service = LineService::new(Hub::new(unlimited(), InMemory), options);
    run(way, &service, async |[mut ann, mut other]| {
        ann.say("/name ann\n").await;
        let mut told = String::new();
        while !told.contains("* bye") {
            // It may have been ended meanwhile.
            let _ = other.stream.write_all(b"/ping\n").await;
            assert!(other.read().await, "no last line");
            told = std::mem::take(&mut other.heard);
        }
        assert!(told.contains("* bye 4004 again=yes: "), "{told}");
        ann.say("/ping\n").await;
        ann.until("* pong").await;
    });
}

fn the_inbox_goes_on_where_it_was_read(way: Way) {
    run(
        way,
        &service(unlimited()),
        async |[mut ann, mut ben, mut again]| {
            let welcome = ann.enter("ann").await;
            ann.say("/msg ann zero\n").await;
            ben.enter("ben").await;
            ben.say("/msg ann one\n/msg ann two\n").await;
            ann.until("@ann 3 ").await;
            ann.say("/since @ann 1 1\n").await;
            let early = ann.until("* error out_of_order").await;
            assert!(early.ends_with("the inbox comes before /name"), "{early}");
            let epoch = field(ann.inbox.as_deref().unwrap(), "epoch=");
            let session = field(&welcome, "session=");
            again
                .say(format!("/since @ann {epoch} 2\n/name ann {session}\n"))
                .await;
            let inbox = again.until("* inbox @ann").await;
            assert!(inbox.ends_with(" offset=3 recovered=yes"), "{inbox}");
            assert!(again.until("").await.starts_with("@ann 3 "));
            // The name is the newer connection's.
            let ended = ann.rest().await;
            assert!(ended.contains("* bye 4502 again=no: "), "{ended}");
        },
    );
}

/// A page of elsewhere can have a browser send this.
fn a_web_request_is_refused(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut browser]| {
        let request = "POST / HTTP/1.1\r\nhost: here\r\n\r\n/name ann\r\n/join tea\r\nhello\r\n";
        browser.say(request).await;
        let ended = browser.rest().await;
        assert!(
            ended.contains("* error malformed: this is no web server\n* bye 4503 "),
            "{ended}"
        );
        assert!(!ended.contains("welcome"), "{ended}");
    });
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
}

/// The address can be longer than a line may be.
fn a_web_request_with_a_long_address_is_refused(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut browser]| {
        let address = "a".repeat(17_000);
        let request = format!("POST /{address} HTTP/1.1\r\nhost: here\r\n\r\n");
        let body = "/name ann\n/join tea\nspam\n";
        browser.say(request + body).await;
        let ended = browser.rest().await;
        assert!(ended.contains("* bye 4503 "), "{ended}");
        assert!(!ended.contains("welcome"), "{ended}");
    });
    assert_eq!(format!("{hub:?}"), "Hub { rooms: 0 }");
}

/// What `printf … | nc -N` sends.
fn the_end_of_input_leaves_behind_all_answers(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.say("/name ann\n/join tea\nhello\nwithout an end").await;
        ann.stream.shutdown_write().unwrap();
        let heard = ann.rest().await;
        let lines: Vec<&str> = heard.lines().collect();
        assert!(lines[lines.len() - 3].ends_with(" <ann> hello"), "{heard}");
        assert!(
            lines[lines.len() - 2].ends_with(" <ann> without an end"),
            "{heard}"
        );
        assert_eq!(lines[lines.len() - 1], "* bye 1000 again=no: you have left");
    });
}

/// A script is run again at once.
fn a_name_is_free_once_its_client_has_left(way: Way) {
    let people = async |people: [Person; 3]| {
        for (mut robot, by_quit) in people.into_iter().zip([true, false, false]) {
            let quit = if by_quit { "/quit\n" } else { "" };
            robot.say(format!("/name robot\n/join tea\n{quit}")).await;
            if !by_quit {
                robot.stream.shutdown_write().unwrap();
            }
            let heard = robot.rest().await;
            assert!(heard.contains("* members #tea 1: robot\n"), "{heard}");
            assert!(heard.ends_with("* bye 1000 again=no: you have left\n"));
        }
    };
    run(way, &service(unlimited()), people);
}

/// A thread keeps what is said, and tells so when that is done.
fn what_is_kept_later_is_answered_before_the_end(way: Way) {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("switchboard-lines-{}-{number}.redb", std::process::id());
    let path = std::env::temp_dir().join(name);
    let disk = Disk::open(&path, &unlimited()).unwrap();
    let hub = Hub::new(unlimited(), disk);
    let service = LineService::new(hub, LineOptions::default());
    run(way, &service, async |[mut ann]| {
        ann.say("/name ann\n/join tea\nhello\n/msg ann me\n/to milk no\n/quit\n")
            .await;
        let heard = ann.rest().await;
        for part in [" <ann> hello", " <ann> me", "* told @ann offset=1"] {
            assert!(heard.contains(&format!("{part}\n")), "{part} in {heard}");
        }
        assert!(heard.ends_with("* bye 1000 again=no: you have left\n"));
    });
    drop(service);
    std::fs::remove_file(path).unwrap();
}

/// Gives a name a password, as a page does.
async fn register(hub: &Hub, nick: &str, password: &str) {
    let now = Now::read();
    let mut page = hub.connect(now);
    let hello = format!(r#"{{"type":"hello","nick":"{nick}"}}"#);
    page.receive(hello.as_bytes(), now);
    let register = format!(r#"{{"type":"register","password":"{password}"}}"#);
    page.receive(register.as_bytes(), now);
    let mut told = String::new();
    while !told.contains(r#""type":"registered""#) {
        std::future::poll_fn(|context| page.poll_ready(context)).await;
        let mut parcels = Vec::new();
        page.take(usize::MAX, &mut parcels);
        told += &format!("{parcels:?}");
    }
    page.quit();
}

/// The page gives a name its password, and lines ask for it.
fn a_name_with_a_password_is_said_with_it(way: Way) {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("switchboard-lines-{}-{number}.redb", std::process::id());
    let path = std::env::temp_dir().join(name);
    let hub = Hub::new(unlimited(), Disk::open(&path, &unlimited()).unwrap());
    let service = LineService::new(hub.clone(), LineOptions::default());
    const HEX: &str = "0123456789abcdef0123456789abcdef";
    run(way, &service, async |[mut ann, mut other, mut hex]| {
        for (nick, password) in [("ann", "correct horse"), ("hex", HEX)] {
            register(&hub, nick, password).await;
        }
        other.say("/name ann\n").await;
        other.until("* error password_needed").await;
        ann.say("/name ann battery-staple\n").await;
        ann.until("* error wrong_password").await;
        ann.say("/name ann correct horse\n").await;
        let welcome = ann.until("* ").await;
        assert!(welcome.starts_with("* welcome ann session="), "{welcome}");
        // Its session has the name too.
        let session = field(&welcome, "session=");
        other.say(format!("/name ann {session}\n")).await;
        let welcome = other.until("* welcome").await;
        assert!(welcome.ends_with(" resumed=yes"), "{welcome}");
        // What looks like a session can be a password.
        hex.say(format!("/name hex {HEX}\n")).await;
        hex.until("* hello").await;
        let welcome = hex.until("* ").await;
        assert!(welcome.starts_with("* welcome hex session="), "{welcome}");
        assert!(!welcome.contains(HEX), "{welcome}");
    });
    drop((service, hub));
    std::fs::remove_file(path).unwrap();
}

/// Numbers the files of this process.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn answers_that_are_not_read_stop_the_reading(way: Way) {
    const COUNT: usize = 1000;
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        let asking = ann.stream.clone();
        let ask = async {
            for number in 0..COUNT {
                let lines = format!("/help\n/ping {number}\n");
                asking.write_all(lines.as_bytes()).await.unwrap();
            }
            drop(asking);
        };
        let read = async {
            for number in 0..COUNT {
                let pong = ann.until("* pong").await;
                assert_eq!(pong, format!("* pong {number}"));
            }
        };
        runtime::join(ask, read).await;
    });
}

fn a_flood_is_ended(way: Way) {
    run(way, &service(HubOptions::default()), async |[mut ann]| {
        ann.enter("ann").await;
        ann.say("\n".repeat(100)).await;
        let ended = ann.rest().await;
        assert!(ended.contains("* bye 4003 again=yes: flood: "), "{ended}");
    });
}
