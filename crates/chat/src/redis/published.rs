//! What other nodes have published, and this one.

use std::sync::Arc;

use switchboard_redis::{Reply, Resp2Frame as _};

use super::entry;
use super::flow::Flow;
use super::rooms::{Open, Subscribed};
use crate::room::Delivered;
use crate::update::Presence;
use crate::{HubOptions, Name, Now};

impl Flow {
    pub(super) fn published(&mut self, reply: Reply) {
        let Reply::Array(parts) = reply else {
            return;
        };
        let parts: Vec<_> = parts
            .iter()
            .map(|part| part.as_str().unwrap_or_default())
            .collect();
        match *parts {
            ["subscribe", channel, _] => self.subscribed(channel),
            ["message", channel, text] => match self.keys.room_of(channel) {
                Some(room) => self.heard(&Name::stored(room), text),
                None => self.told(text),
            },
            _ => {}
        }
    }

    fn subscribed(&mut self, channel: &str) {
        let Some(name) = self.keys.room_of(channel).map(Name::stored) else {
            return;
        };
        if let Some(open) = self.rooms.get_mut(&name) {
            // From here on nothing is missed, and what was is looked for.
            open.subscribed = Subscribed::Yes;
            open.is_behind = true;
        }
        self.drive(&name);
    }

    /// Takes what was published in a room.
    fn heard(&mut self, name: &Name, text: &str) {
        let Some(open) = self.rooms.get_mut(name) else {
            return;
        };
        if hear(open, text, &self.keys.node, &self.options) == Heard::Missed {
            open.is_behind = true;
            self.drive(name);
        }
    }

    /// Takes what was sent to this node: a name has gone to another one.
    fn told(&mut self, text: &str) {
        let mut words = text.split(' ');
        if let (Some("x"), Some(token), Some(folded)) = (words.next(), words.next(), words.next()) {
            self.moved(folded, token.parse().unwrap_or(0));
        }
    }
}

#[derive(PartialEq, Eq)]
enum Heard {
    All,
    /// Something before it is missing, or unclear.
    Missed,
}

fn hear(open: &mut Open, text: &str, this_node: &Arc<str>, options: &HubOptions) -> Heard {
    let mut words = text.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_default();
    match next() {
        "m" => {
            let epoch = next().parse().unwrap_or(0);
            let offset = next().parse().unwrap_or(0);
            let Some(entry) = entry::read(next().as_bytes()) else {
                return Heard::Missed;
            };
            let oldest = options.oldest(Now::read());
            match open.room.deliver((epoch, offset), entry, oldest, options) {
                Delivered::Told => Heard::All,
                // What is published comes in order, so that something is missing.
                Delivered::Early | Delivered::Foreign => Heard::Missed,
            }
        }
        "p" => {
            let (node, before) = (next(), next().parse());
            let Some((version, changes)) = next().split_once(' ') else {
                return Heard::Missed;
            };
            if *node == **this_node {
                return Heard::All;
            }
            let known = open.nodes.get(node).copied().unwrap_or(0);
            let (Ok(version), true) = (version.parse(), before == Ok(known)) else {
                return Heard::Missed;
            };
            let node: Arc<str> = node.into();
            open.nodes.insert(node.clone(), version);
            let change = |word: &str| {
                let (state, nick) = word.split_at_checked(1)?;
                Some((Name::stored(nick), presence(state)?))
            };
            let changes: Vec<_> = changes.split(' ').filter_map(change).collect();
            open.room.remote_changed(&node, &changes, options);
            Heard::All
        }
        "t" => {
            if *next() != **this_node {
                open.room.typing(&Name::stored(next()));
            }
            Heard::All
        }
        "P" if *next() == **this_node => Heard::All,
        _ => Heard::Missed,
    }
}

/// Returns the presence that a letter stands for.
pub(super) fn presence(letter: &str) -> Option<Presence> {
    match letter {
        "h" => Some(Presence::Here),
        "a" => Some(Presence::Away),
        "g" => Some(Presence::Gone),
        _ => None,
    }
}
