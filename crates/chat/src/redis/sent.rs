//! What was asked of Redis.

use std::sync::Arc;

use crate::Name;
use crate::shared::Claiming;

pub(super) enum Sent {
    /// The answer says nothing.
    Nothing,
    /// The first entries of a room's queue.
    Append {
        room: Name,
        epoch: u32,
        count: usize,
    },
    /// What a room has missed, by where it was.
    Sync { room: Name, epoch: u32, most: usize },
    /// The history of a room that Redis has lost.
    Seed(Name),
    /// A name; the claim is left out where the client was told already.
    Claim {
        folded: String,
        claim: Option<Arc<Claiming>>,
    },
    /// Names that are held, with their tokens.
    Hold(Vec<(String, u64)>),
}
