//! What is sent to Redis for a room, when it is due.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::entry;
use super::flow::Flow;
use super::rooms::{Open, Subscribed};
use super::sent::Sent;
use super::session::Script;
use crate::entry::EntryKind;
use crate::history::MOST_SAID;
use crate::room::Room;
use crate::update::Presence;
use crate::{Name, Now};

/// By how much offsets jump where entries may have been lost: more than were ever told since Redis has saved its data.
const JUMP: &str = "1048576";
/// How long a node's members are known without news of it, in milliseconds; and when it gives news.
const PRESENCE: &str = "15000";
const NEWS: Duration = Duration::from_secs(4);
/// The most syncs that are under way.
pub(super) const SYNCS: usize = 64;
/// The most entries that a room is opened with, and that one sync brings to an open one.
const OPENED: usize = 1000;
const PAGE: usize = 256;
/// The most entries and bytes of one append.
const ENTRIES: usize = 64;
const BYTES: usize = 256 * 1024;
/// How long Redis keeps the topic of a room that nobody enters, in milliseconds: a year.
const TOPIC: u128 = 365 * 86_400_000;
/// The longest that Redis is told to keep anything, in milliseconds: ten years.
const LONGEST: u128 = 10 * 365 * 86_400_000;

impl Flow {
    /// Looks at a room that has changed.
    pub(super) fn stir(&mut self, room: &Arc<Room>) {
        let is_needed = room.begin_to_open();
        if is_needed {
            self.open_room(room).is_behind |= room.has_ahead();
        }
        if self.session.is_none() {
            room.enter_all();
            if !is_needed {
                self.forget_unopened(room.name());
            }
        }
        if self.session.is_none() || !self.rooms.contains_key(room.name()) {
            // Redis is told all members then, and not what has changed.
            room.take_changes();
        }
        self.drive(room.name());
    }

    /// Forgets a room that nobody here is in, and of which neither this node nor Redis has anything.
    fn forget_unopened(&mut self, name: &Name) {
        let is_over = |open: &Open| {
            let is_unknown = open.version == 0 && open.room.position().0 == 0;
            open.queue.is_empty() && is_unknown && open.room.close()
        };
        if self.rooms.get(name).is_some_and(is_over) {
            self.rooms.remove(name);
        }
    }

    pub(super) fn open_room(&mut self, room: &Arc<Room>) -> &mut Open {
        let due = Instant::now() + NEWS;
        let open = self.rooms.entry(room.name().clone());
        open.or_insert_with(|| Open::new(room.clone(), due))
    }

    /// Sends what is due for a room: in this order, the subscription, the members, what was missed, new entries.
    pub(super) fn drive(&mut self, name: &Name) {
        let (Some(session), Some(open)) = (&mut self.session, self.rooms.get_mut(name)) else {
            return;
        };
        match open.subscribed {
            Subscribed::No => {
                open.subscribed = Subscribed::Asked;
                return session.subscribe(&self.keys.channel(name));
            }
            Subscribed::Asked => return,
            Subscribed::Yes => {}
        }
        self.send_members(name);
        self.send_sync(name);
        self.send_append(name);
    }

    fn send_members(&mut self, name: &Name) {
        let (Some(session), Some(open)) = (&mut self.session, self.rooms.get_mut(name)) else {
            return;
        };
        let all = std::mem::take(&mut open.tells_all);
        let changes = match all {
            true => open.room.all_here(),
            false => open.room.take_changes(),
        };
        if name.inbox_of().is_some() || changes.is_empty() && (!all || open.version == 0) {
            return;
        }
        let before = open.version;
        self.version += 1;
        open.version = self.version;
        let keys = [
            format!("{}{}", self.keys.members(name), self.keys.node),
            self.keys.nodes(name),
        ];
        let channel = self.keys.channel(name);
        let (before, version) = (before.to_string(), open.version.to_string());
        let all = if all { "1" } else { "0" };
        let mut args = vec![&*self.keys.node, &before, &version, PRESENCE, &channel, all];
        for (nick, presence) in &changes {
            args.push(nick);
            args.push(match presence {
                Presence::Here => "h",
                Presence::Away => "a",
                Presence::Gone => "g",
            });
        }
        session.script(Script::Presence, &keys, &args, Sent::Nothing);
    }

    fn send_sync(&mut self, name: &Name) {
        let (Some(session), Some(open)) = (&mut self.session, self.rooms.get_mut(name)) else {
            return;
        };
        if !open.is_behind || open.is_syncing {
            return;
        }
        if self.syncs >= SYNCS {
            return self.waiting.push_back(name.clone());
        }
        self.syncs += 1;
        (open.is_behind, open.is_syncing) = (false, true);
        open.due = Instant::now() + NEWS.mul_f32(0.75 + fastrand::f32() / 4.0);
        let (epoch, last) = open.room.position();
        let most = if epoch == 0 {
            self.options.history.clamp(1, OPENED)
        } else {
            PAGE
        };
        let mut keys = self.keys.room(name);
        keys.push(self.keys.nodes(name));
        let head = [
            epoch.to_string(),
            last.to_string(),
            session.run.clone(),
            fastrand::u32(1..).to_string(),
            most.to_string(),
            life(self.options.history_age),
            JUMP.to_owned(),
            self.keys.node.to_string(),
            PRESENCE.to_owned(),
            self.keys.members(name),
            life_of_topic(self.options.history_age),
        ];
        let nodes = open.nodes.iter();
        let nodes = nodes.flat_map(|(node, version)| [node.to_string(), version.to_string()]);
        let args: Vec<_> = head.into_iter().chain(nodes).collect();
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let room = name.clone();
        session.script(Script::Sync, &keys, &args, Sent::Sync { room, epoch, most });
    }

    fn send_append(&mut self, name: &Name) {
        let (Some(session), Some(open)) = (&mut self.session, self.rooms.get_mut(name)) else {
            return;
        };
        let (epoch, _) = open.room.position();
        if !open.is_synced || open.appending > 0 || open.queue.is_empty() || epoch == 0 {
            return;
        }
        let mut keys = self.keys.room(name);
        keys.extend(
            name.inbox_of()
                .map(|nick| self.keys.name(&nick.to_lowercase())),
        );
        let most = self.options.history.min(1_000_000_000);
        let now = Now::read();
        let mut args = vec![
            epoch.to_string(),
            session.run.clone(),
            most.to_string(),
            self.options.oldest(now).to_string(),
            life(self.options.history_age),
            self.keys.channel(name),
            life_of_topic(self.options.history_age),
            self.options.repeats_since(now.unix).to_string(),
            MOST_SAID.to_string(),
        ];
        let (mut count, mut bytes) = (0, 0);
        for queued in open.queue.iter().take(ENTRIES) {
            bytes += queued.bytes();
            if count > 0 && bytes > BYTES {
                break;
            }
            let said = &queued.parts.entry;
            let topic = match said.kind {
                EntryKind::Topic => format!("={}", said.text),
                EntryKind::Message => "-".to_owned(),
            };
            args.extend([
                entry::identity(&said.from, said.id.as_deref()),
                said.time.to_string(),
                topic,
                entry::write(said),
            ]);
            count += 1;
        }
        open.appending = count;
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let room = name.clone();
        session.script(
            Script::Append,
            &keys,
            &args,
            Sent::Append { room, epoch, count },
        );
    }

    /// Gives Redis the history that it has lost of a room.
    pub(super) fn send_seed(&mut self, name: &Name) {
        let (Some(session), Some(open)) = (&mut self.session, self.rooms.get_mut(name)) else {
            return;
        };
        let saved = open.room.saved();
        if saved.epoch == 0 {
            // The room has no history to give: the next sync takes the one that Redis makes for it.
            open.is_behind = true;
            return;
        }
        (open.is_syncing, open.is_synced) = (true, false);
        self.syncs += 1;
        let last = saved.last + JUMP.parse::<u64>().unwrap_or(1 << 20);
        let mut args = vec![
            saved.epoch.to_string(),
            last.to_string(),
            session.run.clone(),
            saved.topic.to_string(),
            life(self.options.history_age),
            self.keys.channel(name),
            life_of_topic(self.options.history_age),
        ];
        for said in saved.said {
            let identity = entry::identity(&said.from, Some(&said.id));
            let (offset, time) = (said.offset.to_string(), said.time.to_string());
            args.extend([offset, identity, time, String::new()]);
        }
        for (offset, parcel) in saved.entries {
            if let Some(said) = entry::of_parcel(&parcel) {
                let identity = entry::identity(&said.from, said.id.as_deref());
                let time = said.time.to_string();
                args.extend([offset.to_string(), identity, time, entry::write(&said)]);
            }
        }
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let keys = self.keys.room(name);
        session.script(Script::Seed, &keys, &args, Sent::Seed(name.clone()));
    }

    /// Closes rooms that nobody here is in, and asks for what may have been missed where nothing has happened.
    pub(super) fn look_at_rooms(&mut self, now: Instant) {
        let mut due = Vec::new();
        let mut closed = Vec::new();
        for (name, open) in &mut self.rooms {
            // An answer that is under way would be taken for that of the room when it is opened again.
            let is_idle = open.queue.is_empty() && !open.is_syncing;
            if is_idle && open.subscribed == Subscribed::Yes && open.room.close() {
                closed.push(name.clone());
            } else if open.due <= now {
                open.due = now + NEWS;
                open.is_behind = true;
                due.push(name.clone());
            }
        }
        for name in closed {
            // Other nodes are told that the last members went.
            if let Some(open) = self.rooms.get_mut(&name) {
                open.tells_all = true;
            }
            self.send_members(&name);
            self.rooms.remove(&name);
            if let Some(session) = &mut self.session {
                session.unsubscribe(&self.keys.channel(&name));
            }
        }
        for name in due {
            self.drive(&name);
        }
    }
}

/// Returns how long Redis keeps the topic of a room that nobody enters, and where its history ends, in milliseconds.
fn life_of_topic(age: Duration) -> String {
    (age.as_millis() + TOPIC).min(LONGEST).to_string()
}

/// Returns how long Redis keeps what nobody asks for, in milliseconds.
fn life(age: Duration) -> String {
    let hour = 3_600_000;
    (age.as_millis() + hour).min(LONGEST).to_string()
}
