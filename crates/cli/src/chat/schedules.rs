//! Clients of a real hub, whose connections are cut at any moment: each is shown all that was said, once and in order,
//! or told how much is missing, and all that it says is said once.

use std::collections::HashMap;

use switchboard_chat::{Connection, Hub, HubOptions, InMemory, Now, Overflow};

use super::client::{Client, Manner};
use super::event::{Event, Place};

const ROOMS: [&str; 2] = ["tea", "garden"];

struct User {
    client: Client,
    connection: Option<Connection>,
    shown: Vec<Event>,
    said: Vec<(String, String)>,
}

impl User {
    fn new(name: &str, hides_own: bool) -> User {
        let manner = Manner {
            older: u64::MAX,
            hides_own,
        };
        let rooms = ROOMS.map(str::to_owned);
        User {
            client: Client::new(name.to_owned(), None, &rooms, manner),
            connection: None,
            shown: Vec::new(),
            said: Vec::new(),
        }
    }

    fn say(&mut self, room: &str) {
        let text = format!("{}-{}", self.client.nick, self.said.len());
        self.said.push((room.to_owned(), text.clone()));
        self.client.say(Place::Room(room.to_owned()), text);
    }

    /// Sends a few commands, and reads at most `bytes` bytes.
    fn step(&mut self, hub: &Hub, bytes: usize) {
        let connection = self.connection.get_or_insert_with(|| {
            self.client.connected();
            hub.connect(Now::read())
        });
        for command in (0..5).map_while(|_| self.client.next_command()) {
            connection.receive(command.as_bytes(), Now::read());
        }
        let mut parcels = Vec::new();
        let end = connection.take(bytes, &mut parcels);
        for parcel in parcels {
            let json = std::str::from_utf8(parcel.json()).unwrap();
            self.client.told(json).unwrap();
        }
        self.shown.append(&mut self.client.events);
        if let Some(bye) = end {
            assert!(bye.reconnect(), "{bye:?}");
            self.cut();
        }
    }

    /// Loses the connection, with what is on its way.
    fn cut(&mut self) {
        self.client.lost();
        if let Some(mut connection) = self.connection.take() {
            connection.take(usize::MAX, &mut Vec::new());
        }
    }

    fn is_settled(&self) -> bool {
        let queued = self.connection.as_ref().map_or(1, Connection::queued);
        queued == 0 && self.client.is_settled()
    }
}

/// Returns the texts of a room that were shown, with what is missing between them.
fn shown_in<'a>(events: &'a [Event], room: &str) -> Vec<Result<&'a str, Option<u64>>> {
    let shown = events.iter().filter_map(|event| match event {
        Event::Said(entry) if entry.place.is_room(room) => Some(Ok(&*entry.text)),
        Event::Missing(place, count) if place.is_room(room) => Some(Err(*count)),
        Event::Failed(why) => panic!("{why}"),
        _ => None,
    });
    shown.collect()
}

fn run(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let overflow = [Overflow::Cut, Overflow::Conflate, Overflow::DropOldest];
    let options = HubOptions {
        history: if random.bool() { 10_000 } else { 30 },
        outbox: random.usize(6_000..20_000),
        overflow: overflow[random.usize(..3)],
        rate: u32::MAX,
        burst: u32::MAX,
        ..HubOptions::default()
    };
    let keeps_all = options.history > 30;
    let may_lack = !keeps_all || options.overflow != Overflow::Cut;
    let hub = Hub::new(options, InMemory);
    // One that is never cut, and reads all at once.
    let mut witness = User::new("witness", false);
    let mut users: Vec<_> = ["ann", "ben", "cy"]
        .map(|name| User::new(name, random.bool()))
        .into();
    witness.step(&hub, usize::MAX);
    witness.step(&hub, usize::MAX);
    for _ in 0..300 {
        let user = &mut users[random.usize(..3)];
        match random.u8(..10) {
            0 => user.cut(),
            1..6 => user.say(ROOMS[random.usize(..2)]),
            _ => user.step(&hub, random.usize(1..2_000)),
        }
        witness.step(&hub, usize::MAX);
    }
    for round in 0.. {
        assert!(round < 1_000, "it does not settle");
        for user in &mut users {
            user.step(&hub, usize::MAX);
        }
        witness.step(&hub, usize::MAX);
        if users.iter().all(User::is_settled) {
            break;
        }
    }
    for room in ROOMS {
        let all = shown_in(&witness.shown, room);
        let all: Vec<_> = all.into_iter().map(|text| text.expect("all")).collect();
        let places: HashMap<_, _> = all
            .iter()
            .enumerate()
            .map(|(at, text)| (*text, at))
            .collect();
        if places.len() < all.len() {
            // What the server has forgotten meanwhile, it takes for new.
            assert!(!keeps_all, "something was said twice");
            continue;
        }
        for user in &users {
            let said = user.said.iter().filter(|(place, _)| place == room);
            let own = all
                .iter()
                .filter(|text| text.starts_with(&user.client.nick));
            assert!(
                said.map(|(_, text)| &**text).eq(own.copied()),
                "own messages"
            );
            let is_hidden =
                |text: &str| user.client.manner.hides_own && text.starts_with(&user.client.nick);
            let hidden: Vec<_> = all.iter().map(|text| is_hidden(text)).collect();
            // Nothing is forgotten, so all of it is shown from the first one on.
            let first = keeps_all.then_some(0);
            check(
                &shown_in(&user.shown, room),
                &places,
                &hidden,
                first,
                may_lack,
            );
        }
    }
}

/// Checks that what was shown are the texts from `first`, or from some place on, to the last one, but for what is told to
/// be missing and for the user's own that are hidden.
fn check(
    shown: &[Result<&str, Option<u64>>],
    places: &HashMap<&str, usize>,
    hidden: &[bool],
    first: Option<usize>,
    may_lack: bool,
) {
    let all = hidden.len();
    let lacks = |from: usize, missing: usize, to: usize| {
        let lacking = to.checked_sub(from + missing);
        let lacking = lacking.unwrap_or_else(|| panic!("{from} + {missing} of {to}: again"));
        let own = hidden[from..to].iter().filter(|is_hidden| **is_hidden);
        assert!(
            lacking <= own.count(),
            "{from} + {missing} to {to} of {all}"
        );
    };
    let (mut next, mut missing) = (first, 0);
    for item in shown {
        match item {
            Ok(text) => {
                let place = places[text];
                if let Some(next) = next {
                    lacks(next, missing, place);
                }
                (next, missing) = (Some(place + 1), 0);
            }
            Err(count) => {
                assert!(may_lack, "all can be had");
                let count = count.expect("a history that goes on");
                if next.is_some() {
                    missing += usize::try_from(count).unwrap();
                }
            }
        }
    }
    // Who is shown nothing has said all that there is.
    lacks(next.unwrap_or(0), missing, all);
}

#[test]
fn nothing_is_shown_twice_and_nothing_is_missing_silently() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..60).collect(),
    };
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| run(seed));
        assert!(ran.is_ok(), "the schedule of SEED={seed} failed");
    }
}
