//! What the nodes of a chat share: the histories of rooms, who is in them, and who has which name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::Name;
use crate::holders::Session;
use crate::outbox::Outbox;
use crate::room::Room;

/// A store that all nodes have. Nothing of it waits: it answers through the rooms, the hub and the claims.
pub(crate) trait Shared: Send + Sync + 'static {
    /// Looks at a room that has changed: opens it if it is closed, and tells other nodes who came and went.
    fn stir(&self, room: &Arc<Room>);

    /// Asks whether a client may have a name that is free at this node.
    fn claim(&self, claim: Arc<Claiming>);

    /// Gives a name free.
    fn release(&self, nick: &Name);

    /// Tells other nodes that a member is writing.
    fn typing(&self, room: &Arc<Room>, nick: &Name);

    /// Returns the number of an entry to which its client gave none. No two of all nodes are the same.
    fn number(&self) -> Arc<str>;
}

/// A name that a client has asked for.
pub(crate) struct Claiming {
    pub(crate) nick: Name,
    pub(crate) session: Session,
    /// A token or a password has proved that the name is the client's.
    pub(crate) proved: bool,
    decision: Decision,
}

impl Claiming {
    pub(crate) fn new(
        nick: Name,
        session: Session,
        proved: bool,
        outbox: Arc<Outbox>,
    ) -> Arc<Claiming> {
        Arc::new(Claiming {
            nick,
            session,
            proved,
            decision: Decision::new(outbox),
        })
    }

    /// Grants or refuses the name, and has the connection's flow go on.
    pub(crate) fn decide(&self, granted: bool) {
        self.decision.decide(granted);
    }

    /// Returns whether the name is granted, once that is decided.
    pub(crate) fn decision(&self) -> Option<bool> {
        self.decision.get()
    }
}

/// Something that another thread decides for a connection.
pub(crate) struct Decision {
    outbox: Arc<Outbox>,
    state: AtomicU8,
}

const UNDECIDED: u8 = 0;
const REFUSED: u8 = 1;
const GRANTED: u8 = 2;

impl Decision {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Decision {
        Decision {
            outbox,
            state: AtomicU8::new(UNDECIDED),
        }
    }

    /// Decides, and has the connection's flow go on.
    pub(crate) fn decide(&self, granted: bool) {
        let state = if granted { GRANTED } else { REFUSED };
        self.state.store(state, Ordering::Release);
        self.outbox.nudge();
    }

    pub(crate) fn get(&self) -> Option<bool> {
        match self.state.load(Ordering::Acquire) {
            UNDECIDED => None,
            state => Some(state == GRANTED),
        }
    }
}
