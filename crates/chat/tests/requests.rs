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
        let first = text(ask(chat, "GET", &events, "").await).await?;
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
