//! `switchboard serve chat` without WebSocket: event streams and polls.

mod client;
mod ends;
mod pieces;
mod refusals;

use std::io;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_http::{Body, Executor, Io};
use switchboard_net::Stream;
use switchboard_runtime as runtime;
use switchboard_tls::TlsClient;

use self::client::{Events, Keyed, run, says};
use crate::chat::{Client, WAYS, serve};
use crate::served::Served;

/// Has a client of each kind in one room, whose server is at `addr`.
async fn talk(addr: &str, tls: bool, websocket: Option<&Served>) -> io::Result<()> {
    let ann = Keyed::enter(addr, tls, "ann").await?;
    let mut events = ann.events().await?;
    let mut ben = Keyed::enter(addr, tls, "ben").await?;
    events.until(|update| update["type"] == "joined").await?;
    ben.until(|update| update["type"] == "joined").await?;
    ann.say("by events").await?;
    ben.until(says("by events")).await?;
    events.until(says("by events")).await?;
    // This one waits for its answer when there is something to tell.
    let (heard, said) = runtime::join(ben.until(says("to who waits")), async {
        ann.say("to who waits").await
    })
    .await;
    said?;
    heard?;
    ben.say("by a poll").await?;
    events.until(says("by a poll")).await?;
    if let Some(server) = websocket {
        let mut cleo = Client::connect(server, "cleo").await?;
        cleo.say("by WebSocket").await?;
        cleo.until("by WebSocket").await?;
        events.until(says("by WebSocket")).await?;
        ben.until(says("by WebSocket")).await?;
    }
    assert_eq!(ben.post("close", "").await?, StatusCode::NO_CONTENT);
    let gone = |update: &Value| update["nick"] == "ben" && update["state"] == "away";
    events.until(gone).await?;
    assert_eq!(ben.post("send", "").await?, StatusCode::NOT_FOUND);
    Ok(())
}

#[test]
fn members_hear_each_other_by_events_and_polls_under_every_model() {
    for way in WAYS {
        let server = serve(way);
        run(
            &format!("{way:?}"),
            talk(&server.addr, false, Some(&server)),
        );
        server.stop();
        let server = serve(&[way, &["--self-signed"]].concat());
        run(&format!("{way:?} with TLS"), talk(&server.addr, true, None));
        server.stop();
    }
}

#[test]
fn a_stream_and_what_is_sent_share_a_connection_of_http2() {
    for way in WAYS {
        let server = serve(&[way, &["--self-signed"]].concat());
        run(&format!("{way:?}"), async {
            let stream = Stream::connect(&*server.addr).await?;
            let client = TlsClient::insecure()?.protocols(&["h2"]);
            let stream = Io(client.connect("localhost", stream).await?);
            let shaken = http2::handshake(Executor, stream).await;
            let (sender, connection) = shaken.map_err(io::Error::other)?;
            let connection = runtime::spawn(connection);
            let ask = async |method: Method, target: &str, body: String| {
                let url = format!("https://{}{target}", server.addr);
                // As a browser does.
                let request = hyper::Request::builder().method(method).uri(url);
                let request = request.header("origin", format!("https://{}", server.addr));
                let request = request.body(Full::new(Bytes::from(body))).unwrap();
                let answer = sender.clone().send_request(request).await;
                let answer = answer.map_err(io::Error::other)?.map(Body::new);
                assert!(answer.status().is_success(), "{target}: {answer:?}");
                io::Result::Ok(answer.into_body())
            };
            let opened = ask(Method::POST, "/connect", String::new()).await?;
            let opened: Value = serde_json::from_slice(&opened.bytes(1000).await?)?;
            let key = opened["key"].as_str().unwrap();
            let body = ask(Method::GET, &format!("/events?key={key}"), String::new()).await?;
            let mut events = Events::new(body, usize::MAX);
            events.next().await?;
            for command in [
                json!({"type": "hello", "nick": "ann"}),
                json!({"type": "join", "room": "tea"}),
                json!({"type": "say", "room": "tea", "text": "hello"}),
            ] {
                let target = format!("/send?key={key}");
                ask(Method::POST, &target, command.to_string()).await?;
            }
            events.until(says("hello")).await?;
            drop((events, sender));
            // The answer that was dropped is taken back.
            let _ = connection.await;
            io::Result::Ok(())
        });
        server.stop();
    }
}

#[test]
fn a_proxy_passes_events_and_polls_on() {
    for model in ["tasks", "green", "threads", "pool"] {
        let server = serve(&[]);
        let to = format!("http://{}", server.addr);
        let proxy = ["proxy", "--listen", "127.0.0.1:0", "--to", &to];
        let proxy = Served::start(&[&proxy[..], &["--model", model]].concat(), None);
        run(model, talk(&proxy.addr, false, None));
        proxy.stop();
        server.stop();
    }
}
