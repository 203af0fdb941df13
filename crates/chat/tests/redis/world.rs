//! A schedule: clients that move between nodes, nodes that are killed, a Redis that is troubled.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use switchboard_chat::{Hub, HubOptions, Now};

use crate::client::Client;
use crate::server::{Keeps, Server, until};

const ROOMS: [&str; 3] = ["tea", "coffee", "milk"];

/// What happens to Redis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// Connections are cut, and scripts are forgotten.
    Cuts,
    /// It is killed, and starts again.
    Kills,
    /// It is emptied.
    Emptied,
    /// It is killed with all nodes, and starts again with what it had a while before.
    Rewound,
    /// It stops answering, and goes on.
    Frozen,
}

pub(crate) struct World {
    random: fastrand::Rng,
    pub(crate) server: Server,
    keeps: Keeps,
    hubs: Vec<Hub>,
    clients: Vec<Client>,
}

impl World {
    /// Returns `None` if there is no Redis.
    pub(crate) fn new(seed: u64, keeps: Keeps) -> Option<World> {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = Server::start(keeps)?;
        let clients = (0..random.usize(3..7)).map(|number| Client::new(&format!("user{number}")));
        Some(World {
            clients: clients.collect(),
            hubs: (0..2).map(|_| hub(&server)).collect(),
            server,
            keeps,
            random,
        })
    }

    pub(crate) fn run(&mut self, steps: usize, troubles: &[(usize, Trouble)]) {
        for step in 0..steps {
            self.step();
            for (_, trouble) in troubles.iter().filter(|(at, _)| *at == step) {
                self.trouble(*trouble);
            }
            std::thread::sleep(Duration::from_micros(self.random.u64(0..2000)));
        }
        self.settle();
        let lossless = self.keeps == Keeps::All
            || troubles
                .iter()
                .all(|(_, trouble)| matches!(trouble, Trouble::Cuts | Trouble::Frozen));
        self.check(lossless);
    }

    fn step(&mut self) {
        let random = &mut self.random;
        let room = ROOMS[random.usize(..ROOMS.len())];
        let which = random.usize(..self.clients.len());
        let node = random.usize(..self.hubs.len());
        let client = &mut self.clients[which];
        match random.u32(0..100) {
            0..20 if !client.is_connected() => client.connect(&self.hubs[node]),
            20..30 if client.is_connected() => client.join(room),
            30..65 if client.is_connected() => client.say(room),
            65..90 => client.read(),
            90..95 => client.cut(),
            95..98 => self.hubs[node].tick(Now::read()),
            98 => self.kill(node),
            _ => {}
        }
    }

    /// Ends a node without a word to Redis, and starts another one.
    fn kill(&mut self, node: usize) {
        // Which clients it has is not known here: all are cut.
        for client in &mut self.clients {
            client.read();
            client.cut();
        }
        self.hubs[node] = hub(&self.server);
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Cuts => {
                let of = ["pubsub", "normal"][self.random.usize(..2)];
                self.server
                    .ask(&["CLIENT", "KILL", "TYPE", of, "SKIPME", "yes"]);
                if self.random.bool() {
                    self.server.ask(&["SCRIPT", "FLUSH"]);
                }
            }
            Trouble::Kills => {
                self.server.kill();
                for _ in 0..self.random.usize(..100) {
                    self.step();
                }
                self.server.start_again();
            }
            Trouble::Rewound => {
                assert_eq!(self.server.ask(&["SAVE"]), "OK");
                for _ in 0..60 {
                    self.step();
                    std::thread::sleep(Duration::from_micros(self.random.u64(0..1000)));
                }
                self.server.kill();
                (0..self.hubs.len()).for_each(|node| self.kill(node));
                self.server.start_again();
            }
            Trouble::Emptied => drop(self.server.ask(&["FLUSHALL"])),
            Trouble::Frozen => {
                self.server.signal("-STOP");
                self.say_all();
                // Whoever is connected hears of it.
                let clients = &mut self.clients;
                until("the nodes find Redis away", || {
                    clients.iter_mut().all(|client| {
                        client.read();
                        !client.is_connected()
                            || client.told.iter().any(|told| told["store"] == "away")
                    })
                });
                self.say_all();
                self.server.signal("-CONT");
            }
        }
    }

    fn say_all(&mut self) {
        for client in &mut self.clients {
            client.say(ROOMS[self.random.usize(..ROOMS.len())]);
        }
    }

    /// Brings all clients back, and waits until they have all that there is and are acknowledged.
    fn settle(&mut self) {
        let (clients, hubs, server) = (&mut self.clients, &self.hubs, &self.server);
        let random = &mut self.random;
        let mut lasts = BTreeMap::new();
        until("all is acknowledged and told", || {
            let mut settled = true;
            for client in clients.iter_mut() {
                if !client.is_connected() {
                    client.connect(&hubs[random.usize(..hubs.len())]);
                }
                client.read();
                settled &= client.is_connected() && client.unsaid.is_empty();
            }
            if !settled {
                return false;
            }
            for room in ROOMS {
                lasts.insert(room.to_owned(), last(server, room));
            }
            clients.iter().all(|client| {
                client.rooms.iter().all(|(room, seen)| {
                    let (epoch, last) = lasts[room];
                    seen.epoch == epoch && (seen.offset == Some(last) || seen.from == last)
                })
            })
        });
    }

    fn check(&self, lossless: bool) {
        let mut meanings = BTreeMap::new();
        for client in &self.clients {
            for (room, seen) in &client.rooms {
                let (epoch, _) = last(&self.server, room);
                let kept = self.server.history(room);
                for (offset, text) in kept.range(seen.from + 1..) {
                    let told = seen.entries.get(&(epoch, *offset));
                    assert_eq!(told, Some(text), "{} in {room} at {offset}", client.nick);
                }
                for ((epoch, offset), text) in &seen.entries {
                    let meaning = meanings.entry((room.clone(), *epoch, *offset));
                    let meaning = meaning.or_insert(text);
                    assert_eq!(*meaning, text, "{room}, epoch {epoch}, offset {offset}");
                }
            }
            let kept = |room: &str| self.server.history(room);
            for (room, text) in client.acknowledged.iter().filter(|_| lossless) {
                let there = kept(room).values().any(|kept| kept == text);
                assert!(there, "{text} was acknowledged and is lost");
            }
        }
        for room in ROOMS.into_iter().filter(|_| lossless) {
            let history: Vec<_> = self.server.history(room).into_iter().collect();
            let whole = history
                .iter()
                .map(|(offset, _)| *offset)
                .eq(1..=history.len() as u64);
            assert!(whole, "offsets in {room}: {history:?}");
            let mut texts = HashSet::new();
            let once = history.iter().all(|(_, text)| texts.insert(text));
            assert!(once, "twice in {room}: {history:?}");
            for client in &self.clients {
                assert!(client.rooms.values().all(|seen| seen.gaps.is_empty()));
                let numbers = history.iter().filter_map(|(_, text)| {
                    let (nick, number) = text.rsplit_once('-')?;
                    (nick == client.nick).then(|| number.parse::<usize>().unwrap())
                });
                assert!(
                    numbers.is_sorted(),
                    "{} in {room}: {history:?}",
                    client.nick
                );
            }
        }
    }
}

/// Returns the epoch and the newest offset of a room.
fn last(server: &Server, room: &str) -> (u64, u64) {
    let meta = server.ask(&["HMGET", &format!("chat:{{{room}}}:meta"), "epoch", "last"]);
    let number = |at: usize| meta[at].as_str().map_or(0, |text| text.parse().unwrap());
    (number(0), number(1))
}

/// Returns a node that permits everything.
pub(crate) fn hub(server: &Server) -> Hub {
    let options = HubOptions {
        history: usize::MAX,
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    };
    Hub::with_redis(options, server.url().parse().unwrap()).unwrap()
}
