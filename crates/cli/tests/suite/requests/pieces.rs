//! Updates that come in pieces, twice, or not at all.

use std::io;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_runtime as runtime;

use super::client::{Events, Keyed, ask, run, says};
use crate::chat::{Client, WAYS, serve};
use crate::served::Served;

/// What a member has heard of the room, checked as it comes.
#[derive(Default)]
struct Heard {
    offset: u64,
    numbers: u64,
}

impl Heard {
    /// Takes an update, whose number is `id`.
    fn take(&mut self, id: u64, update: &Value) {
        assert_eq!(id, self.numbers + 1, "a hole or a repetition: {update}");
        self.numbers = id;
        if update["type"] == "message" {
            self.offset += 1;
            assert_eq!(update["offset"], self.offset, "{update}");
        }
    }
}

/// Reads by streams that are cut at any byte and by polls whose answers are lost, until all messages were heard.
async fn read_by_pieces(
    random: &mut fastrand::Rng,
    mut ann: Keyed,
    messages: u64,
) -> io::Result<()> {
    let mut heard = Heard::default();
    while heard.offset < messages {
        if random.bool() {
            let body = ann.get("events").await?;
            let mut events = Events::new(body, random.usize(1..20_000));
            while let Some(event) = events.next().await? {
                assert_eq!(event.name, "", "{event:?}");
                if let Some(id) = event.id {
                    heard.take(id, &event.data);
                    ann.position = id;
                }
                if heard.offset == messages {
                    break;
                }
            }
        } else if random.bool() {
            // A part of the answer comes, or none, and then nothing.
            let mut body = ann.get("poll").await?;
            if random.bool() {
                body.chunk().await.transpose()?;
            }
        } else {
            let before = ann.position;
            let answer = ann.poll().await?;
            let updates = answer["updates"].as_array().unwrap();
            assert_eq!(ann.position, before + updates.len() as u64);
            for (id, update) in (before + 1..).zip(updates) {
                heard.take(id, update);
            }
        }
    }
    Ok(())
}

/// Others talk while one reads by pieces.
async fn cut_again_and_again(server: &Served, seed: u64) -> io::Result<()> {
    const TALKERS: u64 = 5;
    const EACH: u64 = 50;
    let mut random = fastrand::Rng::with_seed(seed);
    let ann = Keyed::enter(&server.addr, false, "ann").await?;
    let mut talkers = Vec::new();
    for number in 0..TALKERS {
        talkers.push(Client::connect(server, &format!("talker{number}")).await?);
    }
    let texts = (0..TALKERS * EACH).map(|_| "x".repeat(random.usize(1..3000)));
    let texts: Vec<_> = texts.collect();
    let talking = talkers.iter_mut().zip(texts.chunks(EACH as usize));
    let talking = talking.map(|(talker, texts)| async move {
        for (id, text) in texts.iter().enumerate() {
            let say = json!({"type": "say", "room": "tea", "text": text, "id": id.to_string()});
            talker.0.send(&say.to_string()).await?;
            talker.until(r#""type":"said""#).await?;
        }
        io::Result::Ok(())
    });
    let reading = read_by_pieces(&mut random, ann, TALKERS * EACH);
    let (talked, read) = runtime::join(runtime::gather(talking), reading).await;
    talked.into_iter().collect::<io::Result<Vec<()>>>()?;
    read
}

#[test]
fn a_stream_that_is_cut_at_any_byte_goes_on_without_hole_or_repetition() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..4, |seed| seed..seed + 1);
    for way in WAYS {
        for seed in seeds.clone() {
            let server = serve(&[way, &["--history", "1000"]].concat());
            let what = format!("SEED={seed} {way:?}");
            println!("{what}");
            run(&what, cut_again_and_again(&server, seed));
            server.stop();
        }
    }
}

#[test]
fn an_answer_that_was_lost_comes_again() {
    for way in WAYS {
        let server = serve(way);
        run(&format!("{way:?}"), async {
            let mut ann = Keyed::enter(&server.addr, false, "ann").await?;
            ann.until(|update| update["type"] == "joined").await?;
            for text in ["one", "two"] {
                ann.say(text).await?;
            }
            let lost = ann.ask_for_updates().await?;
            ann.say("three").await?;
            let again = ann.ask_for_updates().await?;
            assert_eq!(again, lost, "what is not acknowledged comes again");
            let before = ann.position;
            ann.until(says("three")).await?;
            // What was acknowledged is gone, and is not made up for by silence.
            ann.position = before;
            let to = (&*ann.addr, false);
            let answer = ask(to, Method::GET, &ann.target("poll"), &[], "").await?;
            assert_eq!(answer.status(), StatusCode::GONE);
            io::Result::Ok(())
        });
        server.stop();
    }
}

#[test]
fn the_last_reader_is_served() {
    for way in WAYS {
        let server = serve(way);
        run(&format!("{way:?}"), async {
            let mut ann = Keyed::enter(&server.addr, false, "ann").await?;
            while !ann.poll().await?["updates"].as_array().unwrap().is_empty() {
                // Until a poll would wait: one that asks in vain is replaced by the next.
                let waiting = ann.ask_for_updates();
                let next = async {
                    let mut events = ann.events().await?;
                    events.next().await?;
                    io::Result::Ok(events)
                };
                let (answer, events) = runtime::join(waiting, next).await;
                let answer = answer?;
                if answer["close"] == Value::Null {
                    continue;
                }
                assert_eq!(answer["close"]["code"], 4502);
                let mut events = events?;
                ann.say("hello").await?;
                events.until(says("hello")).await?;
                let mut next = ann.events().await?;
                assert_eq!(events.close().await?, 4502);
                next.until(says("hello")).await?;
                break;
            }
            io::Result::Ok(())
        });
        server.stop();
    }
}
