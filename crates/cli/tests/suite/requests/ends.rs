//! Connections that the server ends.

use std::io;
use std::sync::mpsc;

use hyper::Method;
use serde_json::{Value, json};
use switchboard_runtime as runtime;

use super::client::{Keyed, ask_over, open, run};
use crate::chat::{Client, WAYS, serve};

#[test]
fn a_server_that_stops_asks_readers_to_come_back() {
    for way in WAYS {
        let mut server = serve(way);
        run(&format!("{way:?}"), async {
            let ann = Keyed::enter(&server.addr, false, "ann").await?;
            let mut events = ann.events().await?;
            let mut ben = Keyed::enter(&server.addr, false, "ben").await?;
            // Nothing is told after this, so that a poll waits. Its connection is there before the stop.
            let (keep, kept) = mpsc::channel();
            let who = r#"{"type":"who","room":"tea"}"#;
            let connection = open((&ben.addr, false)).await?;
            let keep = move |connection| keep.send(connection).unwrap();
            let (host, send) = ([("host", &*server.addr)], ben.target("send"));
            ask_over(connection, Method::POST, &send, &host, who, keep).await?;
            ben.until(|update| update["type"] == "members").await?;
            events.until(|update| update["nick"] == "ben").await?;
            // One that has not said who it is.
            let nobody = Keyed::connect(&server.addr, false).await?;
            let mut silent = nobody.events().await?;
            silent.next().await?;
            let stop = async {
                drop(server.child.stdin.take());
                for events in [&mut events, &mut silent] {
                    assert_eq!(events.close().await?, 4000);
                }
                io::Result::Ok(())
            };
            let (connection, poll) = (kept.recv().unwrap(), ben.target("poll"));
            let poll = ask_over(connection, Method::GET, &poll, &host, "", drop);
            let (answer, stopped) = runtime::join(poll, stop).await;
            let answer = answer?.into_body().bytes(10_000).await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            assert_eq!(answer["close"]["code"], 4000);
            stopped
        });
        server.stop();
    }
}

/// Fills the queues of a client that has a stream and does not read it, and of one that does not even ask.
#[test]
fn clients_that_do_not_read_are_ended() {
    const TALKERS: usize = 8;
    let text = "x".repeat(15_000);
    for way in WAYS {
        let server = serve(&[way, &["--outbox", "400000", "--pool", "20"]].concat());
        run(&format!("{way:?}"), async {
            let mut watcher = Client::connect(&server, "watcher").await?;
            let mut frozen = Keyed::enter(&server.addr, false, "frozen").await?;
            let mut absent = Keyed::enter(&server.addr, false, "absent").await?;
            let mut talkers = Vec::new();
            for number in 0..TALKERS {
                let mut talker = Client::connect(&server, &format!("talker{number}")).await?;
                // Rooms of their own, so that talkers wait for nobody but the server.
                let room = format!("room{number}");
                let join = json!({"type": "join", "room": room}).to_string();
                talker.0.send(r#"{"type":"leave","room":"tea"}"#).await?;
                talker.0.send(&join).await?;
                for keyed in [&mut frozen, &mut absent] {
                    keyed.send(&join).await?;
                    let joined = |told: &Value| told["type"] == "joined" && told["room"] == room;
                    keyed.until(joined).await?;
                }
                talkers.push(talker);
            }
            let mut stream = frozen.events().await?;
            let talking = talkers.iter_mut().enumerate().map(|(number, talker)| {
                let (room, text) = (format!("room{number}"), &text);
                async move {
                    for id in 0..50 {
                        let say = json!({"type": "say", "room": room, "text": text, "id": format!("{id}")});
                        talker.0.send(&say.to_string()).await?;
                        talker.until(r#""type":"said""#).await?;
                    }
                    io::Result::Ok(())
                }
            });
            let away = watcher.until(r#""nick":"frozen","state":"away""#);
            let (talked, away) = runtime::join(runtime::gather(talking), away).await;
            talked.into_iter().collect::<io::Result<Vec<()>>>()?;
            away?;
            let mut end = Value::Null;
            // What was sent before comes, and then the end.
            while end == Value::Null {
                while let Some(event) = stream.next().await? {
                    frozen.position = event.id.unwrap_or(frozen.position);
                    if event.name == "close" {
                        end = event.data["code"].clone();
                    }
                }
                if end == Value::Null {
                    stream = frozen.events().await?;
                }
            }
            assert_eq!(end, 4001);
            assert_eq!(absent.poll().await?["close"]["code"], 4001);
            io::Result::Ok(())
        });
        server.stop();
    }
}
