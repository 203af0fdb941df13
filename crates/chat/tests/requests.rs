//! Connections that are read by requests: those that nobody reads, and streams that nobody acknowledges.

use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use http::StatusCode;
use switchboard_chat::{ChatService, Connection, Hub, HubOptions, InMemory, Now, ServiceOptions};
use switchboard_http::{Body, Request, Response};
use switchboard_runtime::{self as runtime, Model};

const HELLO: &str = "{\"type\":\"hello\",\"nick\":\"ann\"}\n{\"type\":\"join\",\"room\":\"tea\"}\n";

async fn ask(chat: &ChatService, method: &str, target: &str, body: &str) -> Response<Body> {
    let request = Request::new(Body::from(body.to_owned()));
    let (mut head, body) = request.into_parts();
    (head.method, head.uri) = (method.parse().unwrap(), target.parse().unwrap());
    chat.answer(Request::from_parts(head, body)).await
}

async fn text(answer: Response<Body>) -> io::Result<String> {
    let bytes = answer.into_body().bytes(100_000).await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

async fn connect(chat: &ChatService) -> io::Result<String> {
    let opened = text(ask(chat, "POST", "/connect", "").await).await?;
    Ok(opened.split('"').nth(3).unwrap().to_owned())
}

/// Runs a client beside the service's own time, with a hub for others.
fn run(options: ServiceOptions, client: impl AsyncFn(&ChatService, &Hub) -> io::Result<()>) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let chat = ChatService::new(hub.clone(), options);
    let time = async {
        chat.keep_time(pending()).await;
        Ok(())
    };
    let ended = Model::Tasks.run(runtime::race(time, client(&chat, &hub)));
    ended.unwrap().unwrap();
}

/// Waits until a member of the room is told something.
async fn told(member: &mut Connection, part: &str) {
    let mut parcels = Vec::new();
    while !parcels
        .iter()
        .any(|parcel| format!("{parcel:?}").contains(part))
    {
        parcels.clear();
        poll_fn(|context| member.poll_ready(context)).await;
        member.take(usize::MAX, &mut parcels);
    }
}

#[test]
fn a_connection_that_nobody_reads_is_ended() {
    let options = ServiceOptions {
        ping: Duration::from_millis(20),
        pong: Duration::from_millis(10),
        ..ServiceOptions::default()
    };
    run(options, async |chat, hub| {
        let mut ben = hub.connect(Now::read());
        for command in HELLO.replace("ann", "ben").lines() {
            ben.receive(command.as_bytes(), Now::read());
        }
        let key = connect(chat).await?;
        let sent = ask(chat, "POST", &format!("/send?key={key}"), HELLO).await;
        assert_eq!(sent.status(), StatusCode::NO_CONTENT);
        told(&mut ben, r#""nick":"ann","state":"here""#).await;
        told(&mut ben, r#""nick":"ann","state":"away""#).await;
        let poll = ask(chat, "GET", &format!("/poll?key={key}"), "").await;
        assert_eq!(poll.status(), StatusCode::NOT_FOUND);
        Ok(())
    });
}

#[test]
fn a_stream_that_nobody_acknowledges_ends_and_goes_on() {
    let options = ServiceOptions {
        ping: Duration::from_millis(20),
        ..ServiceOptions::default()
    };
    run(options, async |chat, _| {
        let key = connect(chat).await?;
        ask(chat, "POST", &format!("/send?key={key}"), HELLO).await;
        let events = format!("/events?key={key}");
        let mut first = String::new();
        for _ in 0..100 {
            first = text(ask(chat, "GET", &events, "").await).await?;
            // If it was looked at late, it has ended without a ping.
            if first.contains("\n\n:\n\n") {
                break;
            }
        }
        assert!(first.starts_with("retry: "), "{first}");
        assert!(first.contains("\n\n:\n\n"), "{first}");
        assert!(first.ends_with("retry: 20\n\n"), "{first}");
        let last = first
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("id: "));
        let joined = format!("/events?key={key}&position={}", last.unwrap());
        let next = text(ask(chat, "GET", &joined, "").await).await?;
        assert!(!next.contains("data:"), "{next}");
        assert!(next.ends_with("retry: 20\n\n"), "{next}");
        Ok(())
    });
}

#[test]
fn a_client_that_does_not_say_who_it_is_is_ended() {
    let options = ServiceOptions {
        hello: Duration::from_millis(10),
        ..ServiceOptions::default()
    };
    run(options, async |chat, _| {
        let key = connect(chat).await?;
        let poll = text(ask(chat, "GET", &format!("/poll?key={key}"), "").await).await?;
        assert_eq!(
            poll,
            r#"{"position":0,"updates":[],"close":{"code":4004,"reason":"no `hello` in time"}}"#
        );
        Ok(())
    });
}

#[test]
fn a_client_that_leaves_for_good_frees_its_name() {
    run(ServiceOptions::default(), async |chat, hub| {
        let mut ben = hub.connect(Now::read());
        for command in HELLO.replace("ann", "ben").lines() {
            ben.receive(command.as_bytes(), Now::read());
        }
        for (nick, leave, state) in [("ann", "", "away"), ("cleo", "&leave=1", "gone")] {
            let key = connect(chat).await?;
            let hello = HELLO.replace("ann", nick);
            ask(chat, "POST", &format!("/send?key={key}"), &hello).await;
            let closed = ask(chat, "POST", &format!("/close?key={key}{leave}"), "").await;
            assert_eq!(closed.status(), StatusCode::NO_CONTENT);
            told(&mut ben, &format!(r#""nick":"{nick}","state":"{state}""#)).await;
        }
        let key = connect(chat).await?;
        let hello = HELLO.replace("ann", "cleo");
        ask(chat, "POST", &format!("/send?key={key}"), &hello).await;
        let poll = text(ask(chat, "GET", &format!("/poll?key={key}"), "").await).await?;
        assert!(poll.contains(r#""type":"welcome","nick":"cleo""#), "{poll}");
        Ok(())
    });
}

#[test]
fn connections_without_a_name_make_room() {
    let options = ServiceOptions {
        hello: Duration::from_millis(1),
        ..ServiceOptions::default()
    };
    run(options, async |chat, _| {
        let (unread, read) = (connect(chat).await?, connect(chat).await?);
        let end = text(ask(chat, "GET", &format!("/poll?key={read}"), "").await).await?;
        assert!(end.contains(r#""code":4004"#), "{end}");
        // The same look has ended the other one, which has no reader.
        let poll = ask(chat, "GET", &format!("/poll?key={unread}"), "").await;
        assert_eq!(poll.status(), StatusCode::NOT_FOUND);
        Ok(())
    });
    run(ServiceOptions::default(), async |chat, _| {
        let status = async |key: &str| {
            let answer = ask(chat, "POST", &format!("/send?key={key}"), "").await;
            answer.status()
        };
        let named = connect(chat).await?;
        ask(chat, "POST", &format!("/send?key={named}"), HELLO).await;
        let oldest = connect(chat).await?;
        let second = connect(chat).await?;
        for _ in 0..9_999 {
            connect(chat).await?;
        }
        assert_eq!(status(&oldest).await, StatusCode::NOT_FOUND);
        assert_eq!(status(&second).await, StatusCode::NO_CONTENT);
        assert_eq!(status(&named).await, StatusCode::NO_CONTENT);
        Ok(())
    });
}

#[test]
fn what_waits_for_clients_that_do_not_read_is_bounded() {
    let options = ServiceOptions {
        hello: Duration::from_millis(500),
        ..ServiceOptions::default()
    };
    run(options, async |chat, hub| {
        let mut keys = Vec::new();
        for number in 0..300 {
            let key = connect(chat).await?;
            let hello = HELLO.replace("ann", &format!("user{number}"));
            ask(chat, "POST", &format!("/send?key={key}"), &hello).await;
            keys.push(key);
        }
        // 285 MB all told, of which each client has a part that its own queue could hold.
        let mut ben = hub.connect(Now::read());
        for command in HELLO.replace("ann", "ben").lines() {
            ben.receive(command.as_bytes(), Now::read());
        }
        let text_said = "x".repeat(16 * 1024);
        for id in 0..58 {
            let say = format!(r#"{{"type":"say","room":"tea","text":"{text_said}","id":"{id}"}}"#);
            ben.receive(say.as_bytes(), Now::read());
        }
        told(&mut ben, r#""id":"57""#).await;
        // One that is late is ended by a look at all of them.
        let late = connect(chat).await?;
        text(ask(chat, "GET", &format!("/poll?key={late}"), "").await).await?;
        let poll = async |key: &str| {
            let answer = ask(chat, "GET", &format!("/poll?key={key}"), "").await;
            let text = answer.into_body().bytes(10_000_000).await?;
            io::Result::Ok(String::from_utf8(text.to_vec()).unwrap())
        };
        let slow = r#"{"position":0,"updates":[],"close":{"code":4001,"#;
        let first = poll(&keys[0]).await?;
        assert!(first.starts_with(slow), "{} bytes", first.len());
        let last = poll(&keys[299]).await?;
        assert!(last.contains(r#""from":"ben""#), "{last}");
        Ok(())
    });
}

#[test]
fn what_is_acknowledged_before_a_stream_begins_does_not_come() {
    run(ServiceOptions::default(), async |chat, _| {
        let key = connect(chat).await?;
        ask(chat, "POST", &format!("/send?key={key}"), HELLO).await;
        let poll = text(ask(chat, "GET", &format!("/poll?key={key}"), "").await).await?;
        assert!(poll.starts_with(r#"{"position":3,"#), "{poll}");
        let mut events = ask(chat, "GET", &format!("/events?key={key}&position=1"), "").await;
        // The retry, before which the stream looks at nothing.
        events.body_mut().chunk().await.unwrap()?;
        let send = |position| format!("/send?key={key}&position={position}");
        ask(chat, "POST", &send(2), "").await;
        let third = events.body_mut().chunk().await.unwrap()?;
        assert!(third.starts_with(b"id: 3\n"), "{third:?}");
        let mut events = ask(chat, "GET", &format!("/events?key={key}&position=2"), "").await;
        events.body_mut().chunk().await.unwrap()?;
        ask(chat, "POST", &send(3), r#"{"type":"rooms"}"#).await;
        let fourth = events.body_mut().chunk().await.unwrap()?;
        assert!(fourth.starts_with(b"id: 4\n"), "{fourth:?}");
        Ok(())
    });
}
