//! Who has which name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ring::rand::{SecureRandom, SystemRandom};

use crate::outbox::Outbox;
use crate::room::Room;
use crate::update::Parcel;
use crate::{Bye, Name, Now};

/// The names that are in use, or held for a session that may come back.
/// A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Holders(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By the folded name.
    holders: HashMap<String, Holder>,
    /// Sessions whose connection has ended, the one that ended first in front.
    leaving: VecDeque<Leaving>,
}

struct Holder {
    nick: Name,
    session: Session,
    /// `None` while the connection has ended.
    outbox: Option<Arc<Outbox>>,
    /// Until when the name is held without a connection.
    until: Option<Instant>,
    /// The rooms to leave when the session does not come back.
    rooms: Vec<Arc<Room>>,
}

struct Leaving {
    at: Instant,
    folded: String,
}

/// The secret by which a later connection has the name again.
pub(crate) type Session = Arc<str>;

/// What `hello` finds.
pub(crate) enum Claim {
    /// The name is this connection's; with the rooms of the session that goes on.
    Granted {
        /// As the session began with it, in upper or lower case.
        nick: Name,
        session: Session,
        resumed: Option<Vec<Arc<Room>>>,
    },
    /// It is somebody else's.
    Taken,
}

impl Holders {
    /// Takes a name for a connection, with the session that the client has chosen, or a new one. A connection that has
    /// the name is ended, if this one has its session or has `proved` that the name is its own; in the latter case its
    /// session ends too.
    pub(crate) fn claim(
        &self,
        nick: &Name,
        session: Option<&str>,
        proved: bool,
        outbox: &Arc<Outbox>,
    ) -> Claim {
        let mut state = self.state();
        let folded = nick.folded();
        let before = state.holders.get(&folded);
        let same = before.is_some_and(|holder| session == Some(&*holder.session));
        if before.is_some() && !same && !proved {
            return Claim::Taken;
        }
        let mut before = state.holders.remove(&folded);
        if let Some(other) = before.as_mut().and_then(|before| before.outbox.take()) {
            other.end(Bye::Replaced);
        }
        let nick = before.as_ref().map_or(nick, |before| &before.nick).clone();
        let session = session.map_or_else(new_session, Session::from);
        let holder = Holder {
            nick: nick.clone(),
            session: session.clone(),
            outbox: Some(outbox.clone()),
            until: None,
            rooms: Vec::new(),
        };
        state.holders.insert(folded, holder);
        let resumed = before.map(|before| before.rooms);
        Claim::Granted {
            nick,
            session,
            resumed,
        }
    }

    /// Holds a name until `until` after the end of its connection, with at most `most` rooms. Returns the rooms to leave:
    /// those beyond them, and all if the name is nobody's.
    pub(crate) fn release(
        &self,
        nick: &Name,
        outbox: &Arc<Outbox>,
        rooms: Vec<Arc<Room>>,
        until: Instant,
        most: usize,
    ) -> Vec<Arc<Room>> {
        let mut state = self.state();
        let folded = nick.folded();
        let Some(holder) = state.holders.get_mut(&folded) else {
            return rooms;
        };
        // A newer connection may have the name already.
        let its = |its: &mut Arc<Outbox>| Arc::ptr_eq(its, outbox);
        let ended = holder.outbox.take_if(its).is_some();
        // Those of the newest connection come first.
        let held = std::mem::take(&mut holder.rooms);
        let (mut kept, others) = if ended { (rooms, held) } else { (held, rooms) };
        for room in others {
            if !kept.iter().any(|other| Arc::ptr_eq(other, &room)) {
                kept.push(room);
            }
        }
        let beyond = kept.split_off(most.min(kept.len()));
        holder.rooms = kept;
        if ended {
            holder.until = Some(until);
            state.leaving.push_back(Leaving { at: until, folded });
        }
        beyond
    }

    /// Takes a name back that a connection was not granted after all. Returns the rooms to leave.
    pub(crate) fn refuse(&self, nick: &Name, outbox: &Arc<Outbox>) -> Vec<Arc<Room>> {
        let mut state = self.state();
        let its = |holder: &Holder| {
            let its = holder.outbox.as_ref();
            its.is_some_and(|its| Arc::ptr_eq(its, outbox))
        };
        let folded = nick.folded();
        match state.holders.get(&folded).is_some_and(its) {
            true => state
                .holders
                .remove(&folded)
                .map_or(Vec::new(), |holder| holder.rooms),
            false => Vec::new(),
        }
    }

    /// Ends the session that has a name. Returns the name, and the rooms to leave.
    pub(crate) fn evict(&self, folded: &str, bye: Bye) -> Option<(Name, Vec<Arc<Room>>)> {
        let holder = self.state().holders.remove(folded)?;
        if let Some(outbox) = holder.outbox {
            outbox.end(bye);
        }
        Some((holder.nick, holder.rooms))
    }

    /// Tells all connections that have a name.
    pub(crate) fn tell_all(&self, parcel: &Parcel) {
        self.state()
            .outboxes()
            .for_each(|outbox| outbox.push(parcel));
    }

    /// Gives free the names that were held until now. Returns them and the rooms to leave.
    pub(crate) fn expire(&self, now: Now) -> Vec<(Name, Vec<Arc<Room>>)> {
        let mut state = self.state();
        let mut gone = Vec::new();
        while let Some(leaving) = state.leaving.pop_front_if(|first| first.at <= now.instant) {
            let holder = state.holders.get(&leaving.folded);
            // It may have come back, and even left again since.
            if holder.is_some_and(|holder| holder.until == Some(leaving.at)) {
                let holder = state.holders.remove(&leaving.folded);
                gone.extend(holder.map(|holder| (holder.nick, holder.rooms)));
            }
        }
        gone
    }

    /// Gives a name another session, so that nobody who knows the one before has the name. Returns it if the connection
    /// that has the name is this one.
    pub(crate) fn renew(&self, nick: &Name, outbox: &Arc<Outbox>) -> Option<Session> {
        let mut state = self.state();
        let holder = state.holders.get_mut(&nick.folded())?;
        holder.session = new_session();
        let its = holder.outbox.as_ref()?;
        Arc::ptr_eq(its, outbox).then(|| holder.session.clone())
    }

    /// Returns whether a name is held for this session.
    pub(crate) fn is_session(&self, nick: &Name, session: Option<&str>) -> bool {
        let state = self.state();
        let holder = state.holders.get(&nick.folded());
        holder.is_some_and(|holder| session == Some(&*holder.session))
    }

    /// Returns whether somebody has this name.
    pub(crate) fn has(&self, nick: &Name) -> bool {
        self.state().holders.contains_key(&nick.folded())
    }

    pub(crate) fn end_all(&self) {
        self.state()
            .outboxes()
            .for_each(|outbox| outbox.end(Bye::Restart));
    }

    /// Waits until [`end_all`](Holders::end_all) has told all, if it has begun to.
    pub(crate) fn all_are_told(&self) {
        drop(self.state());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the outboxes of those who are connected.
    fn outboxes(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.holders
            .values()
            .filter_map(|holder| holder.outbox.as_ref())
    }
}

/// Returns 128 random bits, in hexadecimal.
pub(crate) fn new_session() -> Session {
    let mut bytes = [0; 16];
    // The system's generator fails on systems only that have none.
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("random numbers of the system");
    format!("{:032x}", u128::from_ne_bytes(bytes)).into()
}
