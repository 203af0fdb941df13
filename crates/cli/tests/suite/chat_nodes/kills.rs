//! `kill -9` of nodes: acknowledged messages are in the history, once, in the order of each sender, and no member has a
//! hole. `SWITCHBOARD_CHAT_KILLS` says how many kills, and `SEED` repeats a schedule.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use switchboard_runtime::{self as runtime, Model};
use switchboard_websocket::{Message, Options, connect};

use super::member::Member;
use super::redis::{Keeps, Server};
use super::{number, start};
use crate::served::Served;

const ROOMS: [&str; 3] = ["tea", "coffee", "milk"];
const MEMBERS: u64 = 12;

/// The texts of a room by their offsets.
type History = BTreeMap<u64, String>;

/// Prints the seed of a schedule that fails.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the schedule of SEED={} failed", self.0);
        }
    }
}

#[test]
fn acknowledged_messages_survive_kills_under_load() {
    let name = format!("switchboard-kills-{}.redb", std::process::id());
    let file = std::env::temp_dir().join(name);
    let arguments = ["--data", file.to_str().unwrap()];
    let kept = |nodes: &[Served], room: &str| kept_by_node(&nodes[0].addr, room);
    kill(5, 1, &arguments, &kept);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn acknowledged_messages_survive_kills_of_one_of_two_nodes() {
    let Some(redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let url = redis.url();
    let kept = |_: &[Served], room: &str| redis.history(room);
    kill(3, 2, &["--redis", &url], &kept);
}

/// Kills one of some nodes again and again while members talk, and checks what they were told.
fn kill(kills: u64, nodes: usize, arguments: &[&str], kept: &dyn Fn(&[Served], &str) -> History) {
    let kills = number("SWITCHBOARD_CHAT_KILLS").unwrap_or(kills);
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("{nodes} nodes, {kills} kills, SEED={seed}");
    let _shown = Shown(seed);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut nodes: Vec<_> = (0..nodes).map(|_| start(None, arguments)).collect();
    let addrs: Vec<_> = nodes.iter().map(|node| node.addr.clone()).collect();
    let mut members: Vec<_> = (0..MEMBERS)
        .map(|member| Member::new(&format!("user{member}"), &ROOMS, seed ^ member))
        .collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let talks = members.iter_mut().map(|member| member.talk(&addrs, &stop));
            let all =
                async { runtime::timeout(Duration::from_secs(1200), runtime::gather(talks)).await };
            Model::Tasks.run(all).unwrap().map(drop)
        });
        // Members who have panicked wait for nothing more.
        for _ in (0..kills).take_while(|_| !talking.is_finished()) {
            std::thread::sleep(Duration::from_millis(random.u64(0..500)));
            let which = random.usize(..nodes.len());
            nodes[which].child.kill().unwrap();
            nodes[which].child.wait().unwrap();
            nodes[which] = start(Some(&addrs[which]), arguments);
        }
        stop.store(true, Ordering::Relaxed);
        talking.join().unwrap().expect("all is acknowledged");
    });
    let said: usize = members.iter().map(|member| member.acknowledged.len()).sum();
    let again: usize = members.iter().map(|member| member.again).sum();
    let welcomes: usize = members.iter().map(|member| member.welcomes).sum();
    let history = settled(said, &nodes, kept);
    catch_up(&mut members, &addrs, &history);
    check(&members, &history);
    println!(
        "{said} messages acknowledged and kept, {again} of {} sent again, {welcomes} connections",
        said + again
    );
}

/// Waits until the rooms have as many entries as were acknowledged, and returns them.
fn settled(
    said: usize,
    nodes: &[Served],
    kept: &dyn Fn(&[Served], &str) -> History,
) -> BTreeMap<&'static str, History> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let history: BTreeMap<_, _> = ROOMS
            .iter()
            .map(|room| (*room, kept(nodes, room)))
            .collect();
        let count: usize = history.values().map(BTreeMap::len).sum();
        if count >= said || Instant::now() > end {
            assert_eq!(count, said, "kept, and acknowledged");
            return history;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Brings all members back once more, and has them read to the end.
fn catch_up(members: &mut [Member], addrs: &[String], history: &BTreeMap<&str, History>) {
    let all = members
        .iter_mut()
        .enumerate()
        .map(|(at, member)| async move {
            let mut socket = member.enter(&addrs[at % addrs.len()]).await?;
            let last = |room: &str| history[room].keys().next_back().copied().unwrap_or(0);
            let ended = |member: &Member| {
                let mut rooms = member.rooms.iter();
                rooms.all(|(room, seen)| seen.offset == last(room))
            };
            member.read_until(&mut socket, ended).await
        });
    let all = async { runtime::timeout(Duration::from_secs(60), runtime::gather(all)).await };
    let ended = Model::Tasks.run(all).unwrap();
    let ended = ended.expect("all members have all within a minute");
    ended.into_iter().for_each(|ended| ended.unwrap());
}

fn check(members: &[Member], history: &BTreeMap<&str, History>) {
    for (room, kept) in history {
        let whole = kept.keys().copied().eq(1..=kept.len() as u64);
        assert!(whole, "offsets in {room}: {kept:?}");
        let mut texts = HashSet::new();
        let once = kept.values().all(|text| texts.insert(text));
        assert!(once, "twice in {room}: {kept:?}");
        let mut newest = BTreeMap::new();
        for text in kept.values() {
            let (nick, number) = text.rsplit_once('-').unwrap();
            let number: usize = number.parse().unwrap();
            let before = newest.insert(nick, number);
            assert!(
                before.is_none_or(|before| before < number),
                "{text} in {room}: {kept:?}"
            );
        }
        for member in members {
            let seen = &member.rooms[*room];
            assert!(seen.gaps.is_empty(), "gaps in {room}: {:?}", seen.gaps);
            let expected = kept.range(seen.from + 1..);
            assert!(
                seen.entries.iter().eq(expected),
                "{room}: {:?}",
                seen.entries
            );
            let mut acknowledged = member.acknowledged.iter().filter(|(its, _)| its == room);
            assert!(
                acknowledged.all(|(_, text)| texts.contains(text)),
                "lost in {room}"
            );
        }
    }
}

/// Asks a node for the whole history of a room.
fn kept_by_node(addr: &str, room: &str) -> History {
    let ask = async {
        let mut socket = connect(&format!("ws://{addr}/ws"), &Options::new()).await?;
        let hello =
            json!({"type": "hello", "nick": "reader", "session": "the session of the reader"});
        socket.send(&*hello.to_string()).await?;
        socket
            .send(&*json!({"type": "join", "room": room}).to_string())
            .await?;
        let mut history = History::new();
        loop {
            let before = history.keys().next().copied();
            let question = json!({"type": "history", "room": room, "before": before, "limit": 300});
            socket.send(&*question.to_string()).await?;
            let answer = loop {
                let Some(Message::Text(text)) = socket.recv().await? else {
                    panic!("the connection has ended");
                };
                let told: Value = serde_json::from_str(text.as_str()).unwrap();
                assert_ne!(told["type"], "error", "{told}");
                if told["type"] == "history" {
                    break told;
                }
            };
            let entries = answer["messages"].as_array().unwrap();
            history.extend(entries.iter().map(|entry| {
                (
                    entry["offset"].as_u64().unwrap(),
                    entry["text"].as_str().unwrap().to_owned(),
                )
            }));
            if answer["complete"] == true {
                return std::io::Result::Ok(history);
            }
        }
    };
    Model::Tasks.run(ask).unwrap().unwrap()
}
