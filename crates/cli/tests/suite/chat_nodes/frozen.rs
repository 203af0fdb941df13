//! A Redis that freezes: nodes go on with their own clients, and fill what they have missed; what Redis has lost is told
//! as a gap. `SWITCHBOARD_REDIS_FROZEN` says for how many seconds it is frozen; by default, until the nodes notice.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use switchboard_runtime::{self as runtime, Model};

use super::member::{Member, Socket};
use super::redis::{Keeps, Server};
use super::{number, start};

/// Members with their connections: two at one node, one at the other.
struct Room(Vec<(Member, Socket)>);

const NICKS: [(&str, usize); 3] = [("ann", 0), ("ben", 0), ("cat", 1)];

impl Room {
    async fn enter(nodes: &[&str]) -> io::Result<Room> {
        let mut members = Vec::new();
        for (seed, (nick, node)) in (0..).zip(NICKS) {
            let mut member = Member::new(nick, &["tea"], seed);
            let socket = member.enter(nodes[node]).await?;
            members.push((member, socket));
        }
        Ok(Room(members))
    }

    async fn say(&mut self) -> io::Result<()> {
        for (member, socket) in &mut self.0 {
            member.say(socket).await?;
        }
        Ok(())
    }

    /// Reads what all are told, until `holds` for each. Meanwhile everybody answers pings.
    async fn until(&mut self, what: &str, holds: impl Fn(&Member) -> bool) -> io::Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.0.iter().all(|(member, _)| holds(member)) {
            let told = || self.0.iter().map(|(member, _)| member.rooms["tea"].offset);
            let told = told().collect::<Vec<_>>();
            assert!(
                Instant::now() < end,
                "not within a minute: {what}; told up to {told:?}"
            );
            for (member, socket) in &mut self.0 {
                let read = runtime::timeout(Duration::from_millis(20), member.read(socket)).await;
                read.unwrap_or(Ok(()))?;
            }
        }
        Ok(())
    }

    /// Waits until all have said what they had to say, and have seen all of it.
    async fn settle(&mut self) -> io::Result<()> {
        self.until("all is acknowledged", |member| {
            !member.is_away && !member.has_unsaid()
        })
        .await?;
        // What a member was told may not have this entry yet: `said` can overtake it.
        let newest = self.0.iter().map(|(member, _)| member.rooms["tea"].said);
        let newest = newest.max().unwrap_or(0);
        self.until("all are told all", |member| {
            member.rooms["tea"].offset == newest
        })
        .await
    }

    /// Returns what each has seen, from where all had entered.
    fn seen(&self) -> Vec<BTreeMap<u64, String>> {
        let from = self.0.iter().map(|(member, _)| member.rooms["tea"].from);
        let from = from.max().unwrap_or(0);
        let seen = self.0.iter().map(|(member, _)| {
            let entries = member.rooms["tea"].entries.range(from + 1..);
            entries
                .map(|(offset, text)| (*offset, text.clone()))
                .collect()
        });
        seen.collect()
    }

    fn all_are_away(&self) -> bool {
        self.0.iter().all(|(member, _)| member.is_away)
    }
}

/// Lets all talk while Redis is frozen, until the nodes have told so, and for `frozen`.
async fn talk_frozen(room: &mut Room, frozen: Duration) -> io::Result<()> {
    let began = Instant::now();
    room.say().await?;
    room.until("the nodes say that Redis is away", |member| member.is_away)
        .await?;
    println!("told after {:.1} s", began.elapsed().as_secs_f32());
    room.say().await?;
    while began.elapsed() < frozen {
        room.say().await?;
        let pause = Instant::now() + Duration::from_secs(1);
        room.until("a second later", |_| Instant::now() > pause)
            .await?;
        assert!(room.all_are_away());
    }
    // Who is at the same node sees it at once.
    let own: [&[&str]; 3] = [&["ann", "ben"], &["ann", "ben"], &["cat"]];
    for (others, (at, (nick, _))) in own.into_iter().zip(NICKS.iter().enumerate()) {
        for other in others {
            room.until("it is shown", |member| {
                let (said, shown) = (format!("{other}-"), &member.pending);
                !member.is(nick) || shown.iter().any(|text| text.starts_with(&said))
            })
            .await?;
        }
        let known = |text: &String| {
            others
                .iter()
                .any(|other| text.starts_with(&format!("{other}-")))
        };
        assert!(
            room.0[at].0.pending.iter().all(known),
            "{:?}",
            room.0[at].0.pending
        );
    }
    println!("frozen for {:.1} s", began.elapsed().as_secs_f32());
    Ok(())
}

#[test]
fn nodes_go_on_while_redis_is_frozen() {
    let frozen = Duration::from_secs(number("SWITCHBOARD_REDIS_FROZEN").unwrap_or(0));
    let Some(mut redis) = Server::start(Keeps::Nothing) else {
        return;
    };
    let nodes = [0, 1].map(|_| start(None, &["--redis", &redis.url()]));
    let addrs: Vec<_> = nodes.iter().map(|node| &*node.addr).collect();
    let run = async {
        let mut room = Room::enter(&addrs).await?;
        room.say().await?;
        room.settle().await?;

        redis.signal("-STOP");
        talk_frozen(&mut room, frozen).await?;
        redis.signal("-CONT");
        let thawed = Instant::now();
        room.settle().await?;
        println!("all is told {:.1} s later", thawed.elapsed().as_secs_f32());
        let seen = room.seen();
        assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
        let said: usize = room
            .0
            .iter()
            .map(|(member, _)| member.acknowledged.len())
            .sum();
        println!("{said} messages acknowledged");
        let kept = redis.ask(&["XLEN", "chat:{tea}:log"]);
        assert_eq!(kept, said, "all is kept, and once");
        let whole = |(member, _): &(Member, Socket)| member.rooms["tea"].gaps.is_empty();
        assert!(room.0.iter().all(whole));

        // What is lost is told.
        redis.signal("-STOP");
        talk_frozen(&mut room, frozen).await?;
        redis.kill();
        redis.start_again();
        room.settle().await?;
        let gap = |(member, _): &(Member, Socket)| member.rooms["tea"].gaps.len();
        let gaps: Vec<_> = room.0.iter().map(gap).collect();
        assert_eq!(gaps, [1, 1, 1]);
        let seen = room.seen();
        assert!(seen.iter().all(|other| *other == seen[0]), "{seen:?}");
        io::Result::Ok(())
    };
    Model::Tasks.run(run).unwrap().unwrap();
    for node in nodes {
        let text = node.stop();
        print!("{text}");
        let expected = "is away: no answer in 3 s; this node goes on with its own clients";
        // A machine that is busy can be late by itself, once more than Redis was frozen.
        let away = text.matches(expected).count();
        assert!(away >= 2, "{text}");
        assert_eq!(text.matches("is back after ").count(), away, "{text}");
    }
}
