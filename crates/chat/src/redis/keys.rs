//! The names of keys and channels. Those of a room have its name in braces, so that they are kept together.

use std::sync::Arc;

use crate::Name;

pub(super) struct Keys {
    pub(super) node: Arc<str>,
    /// Channels are those of all databases.
    database: u32,
}

impl Keys {
    pub(super) fn new(database: u32) -> Keys {
        let node = format!("{:016x}", fastrand::u64(..)).into();
        Keys { node, database }
    }

    /// The stream; the epoch, the newest offset and the topic; the identities of the entries; and those of entries that
    /// are no longer in the stream.
    pub(super) fn room(&self, room: &Name) -> Vec<String> {
        let parts = ["log", "meta", "ids", "said"];
        parts
            .map(|part| format!("chat:{{{}}}:{part}", &**room))
            .into()
    }

    /// The nodes that have members in a room.
    pub(super) fn nodes(&self, room: &Name) -> String {
        format!("chat:{{{}}}:nodes", &**room)
    }

    /// The members of a room that a node has: this and the node.
    pub(super) fn members(&self, room: &Name) -> String {
        format!("chat:{{{}}}:here:", &**room)
    }

    pub(super) fn name(&self, folded: &str) -> String {
        format!("chat:name:{folded}")
    }

    pub(super) fn channel(&self, room: &Name) -> String {
        format!("chat{}:room:{}", self.database, &**room)
    }

    /// Returns the room that a channel is of.
    pub(super) fn room_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        let rest = channel.strip_prefix("chat")?;
        let (_, room) = rest.split_once(":room:")?;
        Some(room)
    }

    /// The channels of nodes: this and the node.
    pub(super) fn node_channels(&self) -> String {
        format!("chat{}:node:", self.database)
    }

    pub(super) fn own_channel(&self) -> String {
        format!("{}{}", self.node_channels(), self.node)
    }
}
