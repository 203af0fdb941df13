//! What the members of rooms are told, checked: each gets every message once, all of them in the same order.
//!
//! A server's frames are not masked, so the members of a room get the same bytes. The first one that is told of a message
//! has it parsed; with the others it is compared.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::frame::{TEXT, masked};
use crate::wires::other;

/// The digits of the number with which each text begins.
const DIGITS: usize = 12;

/// The rooms of one layout: all have the same number of members.
pub struct Rooms {
    all: Vec<Room>,
    members: Vec<Member>,
    each: usize,
    /// The number of the next message.
    number: u64,
    /// Messages that not all members have, and answers to their senders that have not come.
    pub under_way: usize,
    /// Messages that members got.
    pub delivered: u64,
    /// Rooms in which all have got a message.
    pub done: Vec<usize>,
    /// Microseconds from the moment when a message was due to its arrival.
    pub latencies: Histogram<u64>,
}

struct Room {
    name: String,
    /// The next one to speak.
    speaker: usize,
    /// Number and due time of those that nobody has got.
    said: VecDeque<(u64, Instant)>,
    offset: u64,
    /// The frames of the messages, one after another.
    frames: Vec<u8>,
    messages: Vec<Message>,
}

struct Message {
    due: Instant,
    /// So many have not got it.
    left: usize,
}

#[derive(Clone, Default)]
struct Member {
    /// Where its next frame begins in those of its room, and the number of that in this turn.
    at: usize,
    next: usize,
    /// Answers to what it said that have not come.
    unanswered: usize,
}

/// Returns the name of the room that a client is in, where there are so many rooms.
pub fn name(rooms: usize, room: usize) -> String {
    format!("r{rooms}-{room}")
}

impl Rooms {
    pub fn new(rooms: usize, clients: usize) -> io::Result<Rooms> {
        let room = |at| Room {
            name: name(rooms, at),
            speaker: 0,
            said: VecDeque::new(),
            offset: 0,
            frames: Vec::new(),
            messages: Vec::new(),
        };
        Ok(Rooms {
            all: (0..rooms).map(room).collect(),
            members: vec![Member::default(); clients],
            each: clients / rooms,
            number: 0,
            under_way: 0,
            delivered: 0,
            done: Vec::new(),
            latencies: Histogram::new(3).map_err(io::Error::other)?,
        })
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Begins a turn, in which nothing is under way yet.
    pub fn begin(&mut self) {
        for room in &mut self.all {
            room.frames.clear();
            room.messages.clear();
        }
        self.members.fill(Member::default());
        self.done.clear();
        self.delivered = 0;
        self.latencies.reset();
    }

    /// Returns the next member of a room to speak, and the frame in which it says `length` bytes.
    pub fn say(&mut self, at: usize, length: usize, due: Instant) -> (usize, Vec<u8>) {
        let room = &mut self.all[at];
        let speaker = at * self.each + room.speaker;
        room.speaker = (room.speaker + 1) % self.each;
        room.said.push_back((self.number, due));
        let text = format!("{:0DIGITS$}", self.number);
        let json = format!(
            r#"{{"type":"say","room":"{}","text":"{text:.<length$}"}}"#,
            room.name
        );
        self.number += 1;
        self.under_way += 2;
        self.members[speaker].unanswered += 1;
        (speaker, masked(TEXT, json.as_bytes()))
    }

    /// Notes that a client was told something.
    pub fn told(
        &mut self,
        client: usize,
        frame: &[u8],
        payload: &[u8],
        now: Instant,
    ) -> io::Result<()> {
        let Some(member) = self.members.get_mut(client) else {
            return Ok(());
        };
        let at = client / self.each;
        let room = &mut self.all[at];
        let end = member.at + frame.len();
        if room.frames.get(member.at..end) != Some(frame) {
            if member.unanswered > 0 && payload.starts_with(br#"{"type":"said","#) {
                member.unanswered -= 1;
                self.under_way -= 1;
                return Ok(());
            }
            // Some servers also tell who comes and goes.
            if payload.starts_with(br#"{"type":"presence","#) {
                return Ok(());
            }
            if member.at < room.frames.len() {
                return Err(wrong("not what the others were told", client, payload));
            }
            let due = room
                .first(payload)
                .ok_or_else(|| wrong("no message that is due", client, payload))?;
            room.frames.extend_from_slice(frame);
            room.messages.push(Message {
                due,
                left: self.each,
            });
        }
        let message = &mut room.messages[member.next];
        (member.at, member.next) = (end, member.next + 1);
        let latency = now.saturating_duration_since(message.due).as_micros() as u64;
        let _ = self.latencies.record(latency);
        self.delivered += 1;
        message.left -= 1;
        if message.left == 0 {
            self.under_way -= 1;
            self.done.push(at);
        }
        Ok(())
    }
}

impl Room {
    /// Returns when a message was due that nobody has got before; `None` if it is not the next one, or was not said.
    fn first(&mut self, payload: &[u8]) -> Option<Instant> {
        let text = std::str::from_utf8(payload).ok()?;
        let start = format!(r#"{{"type":"message","room":"{}","offset":"#, self.name);
        let (offset, rest) = text.strip_prefix(&start)?.split_once(',')?;
        let (_, said) = rest.split_once(r#""text":""#)?;
        let number: u64 = said.get(..DIGITS)?.parse().ok()?;
        let at = self.said.iter().position(|(said, _)| *said == number)?;
        self.offset += 1;
        if offset.parse() != Ok(self.offset) {
            return None;
        }
        self.said.remove(at).map(|(_, due)| due)
    }
}

fn wrong(what: &str, client: usize, payload: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
    other(format!("u{client} was told {what}: {text}"))
}
