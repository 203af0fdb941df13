//! What Redis answers.

use std::collections::HashMap;
use std::sync::Arc;

use switchboard_redis::{Failure, Reply, Resp2Frame as _, text};

use super::drive::SYNCS;
use super::flow::Flow;
use super::rooms::Open;
use super::sent::Sent;
use super::{entry, published};
use crate::commands::nobody;
use crate::entry::Entry;
use crate::room::Loaded;
use crate::update::{ErrorCode, Presence};
use crate::{HubOptions, Name, Now, Said};

/// Errors after which a session begins anew: the scripts are gone, or the server does not take writes now.
const ENDING: [&str; 6] = [
    "NOSCRIPT",
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOAUTH",
    "UNBLOCKED",
];

impl Flow {
    pub(super) fn answered(&mut self, sent: Sent, reply: Reply) -> Result<(), Failure> {
        if let Reply::Error(error) = &reply {
            let code = error.split(' ').next().unwrap_or_default();
            if ENDING.contains(&code) {
                let failure = Failure::refused(error);
                // It is asked again, as all that is under way.
                self.put_back(sent);
                return Err(failure);
            }
            self.complain(error);
        }
        match sent {
            Sent::Nothing => {}
            Sent::Append { room, epoch, count } => self.appended(&room, epoch, count, reply),
            Sent::Sync { room, epoch, most } => self.synced(&room, epoch, most, reply),
            Sent::Seed(room) => self.seeded(&room, matches!(reply, Reply::Error(_))),
            Sent::Claim { folded, claim } => self.claimed(&folded, claim, reply),
            Sent::Hold(names) => self.held(names, reply),
        }
        Ok(())
    }

    fn put_back(&mut self, sent: Sent) {
        if let Sent::Claim { folded, claim } = sent {
            self.grant_here(&folded, claim);
        }
    }

    fn appended(&mut self, name: &Name, epoch: u32, count: usize, reply: Reply) {
        let Some(open) = self.rooms.get_mut(name) else {
            return;
        };
        open.appending = 0;
        let offsets = match reply {
            Reply::Array(offsets) => offsets,
            Reply::Error(error) => {
                let text = format!("Redis does not keep it: {error}");
                return self.refuse(name, count, ErrorCode::NotKept, &text);
            }
            _ => Vec::new(),
        };
        match offsets.first() {
            Some(Reply::Integer(2)) if offsets.len() == count + 1 => {}
            Some(Reply::Integer(1)) => {
                let text = nobody(name.inbox_of().unwrap_or(name));
                return self.refuse(name, count, ErrorCode::NobodyThere, &text);
            }
            _ => {
                (open.is_synced, open.is_behind) = (false, true);
                return self.drive(name);
            }
        }
        let oldest = self.options.oldest(Now::read());
        for (queued, offset) in open.queue.drain(..count).zip(&offsets[1..]) {
            self.queued -= queued.bytes();
            let offset = number(offset);
            let entry = queued.parts.entry.clone();
            // If entries before it are missing, they are on their way by the subscription.
            open.room
                .deliver((epoch, offset), entry, oldest, &self.options);
            queued.parts.said(offset);
        }
        self.drive(name);
    }

    fn refuse(&mut self, name: &Name, count: usize, code: ErrorCode, why: &str) {
        let Some(open) = self.rooms.get_mut(name) else {
            return;
        };
        for queued in open.queue.drain(..count) {
            self.queued -= queued.bytes();
            queued.parts.refuse(code, why);
        }
        self.drive(name);
    }

    fn seeded(&mut self, name: &Name, failed: bool) {
        self.syncs -= 1;
        if let Some(open) = self.rooms.get_mut(name) {
            (open.is_syncing, open.is_behind) = (false, true);
        }
        // One that failed is tried again when it is due.
        if !failed {
            self.drive(name);
        }
        self.sync_waiting();
    }

    fn synced(&mut self, name: &Name, epoch: u32, most: usize, reply: Reply) {
        self.syncs -= 1;
        let Some(open) = self.rooms.get_mut(name) else {
            return self.sync_waiting();
        };
        open.is_syncing = false;
        match read_history(reply) {
            Some(History::Known(history)) => {
                // What was empty then may have been loaded since.
                match history.epoch == epoch {
                    true => fill(open, &history, most, &self.options),
                    false => load(open, &history, &self.options),
                }
                if !std::mem::replace(&mut open.is_synced, true) {
                    self.queued -= settle_known(open);
                }
                if !open.is_behind {
                    open.room.enter_all();
                }
                if history.version != open.version {
                    open.tells_all = true;
                }
                take_members(open, history.nodes, &self.options);
                self.drive(name);
            }
            Some(History::Lost) => self.send_seed(name),
            None => open.is_behind = true,
        }
        self.sync_waiting();
    }

    fn sync_waiting(&mut self) {
        while self.syncs < SYNCS
            && let Some(next) = self.waiting.pop_front()
        {
            self.drive(&next);
        }
    }
}

/// Tells the senders of entries that are kept already: the members were told them before the answer was lost. Redis may
/// have lost them since, and would have them told again. Nothing is under way. Returns the bytes of these entries.
fn settle_known(open: &mut Open) -> usize {
    let mut bytes = 0;
    for queued in std::mem::take(&mut open.queue) {
        match open.room.find(&queued.parts.entry) {
            Some(offset) => {
                bytes += queued.bytes();
                queued.parts.said(offset);
            }
            None => open.queue.push_back(queued),
        }
    }
    bytes
}

/// Lets a room begin with what Redis has.
fn load(open: &mut Open, history: &Known, options: &HubOptions) {
    let loaded = Loaded {
        epoch: history.epoch,
        last: history.last,
        topic: history.topic.clone(),
        said: history.said.clone(),
        entries: history.entries.clone(),
    };
    open.room.load(loaded, options);
}

/// Gives a room what it has missed, and gives up what is lost.
fn fill(open: &mut Open, history: &Known, most: usize, options: &HubOptions) {
    let oldest = options.oldest(Now::read());
    let epoch = history.epoch;
    for (offset, entry) in &history.entries {
        open.room.skip(epoch, offset - 1, oldest, options);
        let at = (epoch, *offset);
        open.room.deliver(at, entry.clone(), oldest, options);
    }
    match history.rows < most {
        true => open.room.skip(epoch, history.last, oldest, options),
        false => open.is_behind = true,
    }
}

/// Notes the members that other nodes have.
fn take_members(open: &mut Open, nodes: Vec<Node>, options: &HubOptions) {
    let mut versions = HashMap::new();
    for (node, version, members) in nodes {
        if let Some(members) = members {
            open.room.remote_is(&node, &members, options);
        }
        versions.insert(node, version);
    }
    for node in open
        .nodes
        .keys()
        .filter(|node| !versions.contains_key(*node))
    {
        open.room.remote_is(node, &[], options);
    }
    open.nodes = versions;
}

enum History {
    Known(Known),
    /// Redis has no such room.
    Lost,
}

struct Known {
    epoch: u32,
    last: u64,
    topic: Arc<str>,
    /// The version of this node's members that Redis has.
    version: u64,
    entries: Vec<(u64, Entry)>,
    /// How many there were, with those that could not be read.
    rows: usize,
    nodes: Vec<Node>,
    /// The entries that are kept no longer, where the room was not open.
    said: Vec<Said>,
}

/// A node, the version of its members, and them, if they were not known.
type Node = (Arc<str>, u64, Option<Vec<(Name, Presence)>>);

fn read_history(reply: Reply) -> Option<History> {
    let Reply::Array(parts) = reply else {
        return None;
    };
    if let [Reply::Integer(0)] = &*parts {
        return Some(History::Lost);
    }
    let parts: [Reply; 8] = parts.try_into().ok()?;
    let [_, epoch, last, topic, version, entries, nodes, said] = parts;
    let (Reply::Array(entries), Reply::Array(nodes), Reply::Array(said)) = (entries, nodes, said)
    else {
        return None;
    };
    let rows = entries.chunks_exact(2);
    let read = |row: &[Reply]| Some((id_offset(&row[0])?, entry::read(row[1].as_bytes()?)?));
    Some(History::Known(Known {
        epoch: text(epoch).parse().ok()?,
        last: text(last).parse().ok()?,
        topic: text(topic).into(),
        version: text(version).parse().unwrap_or(0),
        rows: rows.len(),
        entries: rows.filter_map(read).collect(),
        nodes: nodes.chunks_exact(3).filter_map(read_node).collect(),
        said: said.chunks_exact(3).filter_map(read_said).collect(),
    }))
}

fn read_said(row: &[Reply]) -> Option<Said> {
    let (from, id) = row[2].as_str()?.split_once(' ')?;
    Some(Said {
        offset: row[0].as_str()?.parse().ok()?,
        from: Name::stored(from),
        id: id.into(),
        time: row[1].as_str()?.parse().ok()?,
    })
}

fn read_node(row: &[Reply]) -> Option<Node> {
    let members = match &row[2] {
        Reply::Array(fields) => Some(fields.chunks_exact(2).filter_map(read_member).collect()),
        _ => None,
    };
    Some((
        row[0].as_str()?.into(),
        row[1].as_str()?.parse().ok()?,
        members,
    ))
}

fn read_member(field: &[Reply]) -> Option<(Name, Presence)> {
    // The field without a name has the version.
    let nick = field[0].as_str().filter(|nick| !nick.is_empty())?;
    let presence = published::presence(field[1].as_str()?)?;
    Some((Name::stored(nick), presence))
}

fn id_offset(id: &Reply) -> Option<u64> {
    id.as_str()?.split_once('-')?.0.parse().ok()
}

pub(super) fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Integer(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}
