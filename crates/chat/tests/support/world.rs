//! A schedule: clients, a hub that restarts, a log that is late.

use std::collections::HashSet;
use std::time::Duration;

use switchboard_chat::{Hub, HubOptions, Now};

use super::client::Client;
use super::disk::Disk;

const ROOMS: [&str; 3] = ["tea", "coffee", "milk"];

pub(crate) struct World {
    random: fastrand::Rng,
    disk: Disk,
    hub: Hub,
    clients: Vec<Client>,
    now: Now,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut random = fastrand::Rng::with_seed(seed);
        let disk = Disk::default();
        let clients = (0..random.usize(2..8)).map(|number| Client::new(&format!("user{number}")));
        World {
            clients: clients.collect(),
            hub: hub(&disk),
            random,
            disk,
            now: Now::read(),
        }
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
        self.settle();
        self.check();
    }

    fn step(&mut self) {
        self.now = self
            .now
            .after(Duration::from_millis(self.random.u64(0..500)));
        let (now, random) = (self.now, &mut self.random);
        let room = ROOMS[random.usize(..ROOMS.len())];
        let which = random.usize(..self.clients.len());
        let client = &mut self.clients[which];
        match random.u32(0..100) {
            0..15 if !client.is_connected() => client.connect(&self.hub, now),
            15..25 if client.is_connected() => client.join(room, now),
            25..50 if client.is_connected() => client.say(room, now),
            50..70 => client.read(random.usize(1..2000)),
            70..75 => client.cut(now),
            75..92 => self.disk.keep_next(random.bool()),
            92..95 => self.disk.tell_late(random),
            95..98 => self.hub.tick(now),
            98 => self.restart(),
            _ => {}
        }
    }

    /// Ends the hub as kill -9 does, and begins a new one with what is kept.
    fn restart(&mut self) {
        for client in &mut self.clients {
            // A part of what was sent may have arrived.
            client.read(self.random.usize(0..2000));
            client.cut(self.now);
        }
        self.disk.crash();
        self.hub = hub(&self.disk);
    }

    /// Brings all clients back, and lets them read and be acknowledged to the end.
    fn settle(&mut self) {
        while self.clients.iter().any(Client::has_unsaid) || !self.disk.is_idle() {
            for client in &mut self.clients {
                client.read_all();
                // It sends again what was refused.
                client.cut(self.now);
                self.now = self.now.after(Duration::from_secs(10));
                client.connect(&self.hub, self.now);
            }
            while !self.disk.is_idle() {
                self.disk.keep_next(false);
                self.disk.tell_late(&mut self.random);
            }
            for client in &mut self.clients {
                client.read_all();
            }
        }
        for client in &mut self.clients {
            if !client.is_connected() {
                client.connect(&self.hub, self.now);
            }
            client.read_all();
        }
    }

    fn check(&self) {
        for client in &self.clients {
            for (room, seen) in &client.rooms {
                let history = self.disk.history(room);
                let expected = match seen.texts.is_empty() {
                    true => &history[history.len()..],
                    false => &history[seen.from as usize..],
                };
                assert_eq!(seen.texts, expected, "{} in {room}", client.nick);
            }
            for (room, text) in &client.acknowledged {
                let history = self.disk.history(room);
                assert!(
                    history.contains(text),
                    "{text} was acknowledged and is lost"
                );
            }
        }
        for room in ROOMS {
            let history = self.disk.history(room);
            let mut seen = HashSet::new();
            assert!(
                history.iter().all(|text| seen.insert(text)),
                "twice in {room}: {history:?}"
            );
            for client in &self.clients {
                let numbers = history.iter().filter_map(|text| {
                    let (nick, number) = text.rsplit_once('-')?;
                    (nick == client.nick).then(|| number.parse::<usize>().unwrap())
                });
                assert!(
                    numbers.is_sorted(),
                    "the order of {} in {room}: {history:?}",
                    client.nick
                );
            }
        }
    }
}

/// Returns a hub that forgets nothing and permits everything.
fn hub(disk: &Disk) -> Hub {
    let options = HubOptions {
        history: usize::MAX,
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    };
    Hub::new(options, disk.clone())
}
