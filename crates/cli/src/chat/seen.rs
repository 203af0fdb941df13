//! What was seen of the history of a room.

use switchboard_chat::Position;

/// How far the entries of a room were seen, so that none is shown twice and none is missed silently.
#[derive(Debug, Default)]
pub(super) struct Seen {
    at: Option<Position>,
    epoch: u32,
}

/// What a client finds that comes back to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// It had seen nothing of the room.
    New,
    /// All that it has missed comes.
    Whole,
    /// Only the newest entries come; the first one shows how many are missing.
    Partly,
    /// The history has begun anew.
    Anew,
}

/// What an entry is to somebody who has seen others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Again,
    Next,
    /// Entries before it are missing, this many.
    Behind(u64),
}

impl Seen {
    /// Returns what the server is told to be known.
    pub(super) fn since(&self) -> Option<Position> {
        self.at
    }

    /// Enters the room, whose newest entry is `newest`.
    pub(super) fn enter(&mut self, epoch: u32, newest: u64, recovered: Option<bool>) -> Return {
        let before = self.at;
        self.epoch = epoch;
        let goes_on = before.is_some_and(|at| at.epoch == epoch && at.offset <= newest);
        if before.is_some_and(|at| at.offset == 0) {
            // Nothing is lost with a history in which there was nothing, and of the new one all is to be seen.
            self.at = Some(Position { epoch, offset: 0 });
            return Return::Whole;
        }
        if !goes_on {
            // Of a room without entries, all is seen. Else the first entry says where it begins.
            self.at = (newest == 0).then_some(Position { epoch, offset: 0 });
        }
        match (before, goes_on, recovered) {
            (None, ..) => Return::New,
            (Some(_), false, _) => Return::Anew,
            (Some(_), true, Some(false)) => Return::Partly,
            (Some(_), true, _) => Return::Whole,
        }
    }

    /// Takes an entry.
    pub(super) fn take(&mut self, offset: u64) -> Taken {
        let at = self.at.map(|at| at.offset);
        if at.is_some_and(|at| offset <= at) {
            return Taken::Again;
        }
        let missing = at.map_or(0, |at| offset - at - 1);
        self.put(offset);
        match missing {
            0 => Taken::Next,
            _ => Taken::Behind(missing),
        }
    }

    /// Takes the server's word that the entries `from` to `to` do not come. Returns how many are missing.
    pub(super) fn skip(&mut self, from: u64, to: u64) -> u64 {
        let next = self.at.map_or(from, |at| at.offset + 1);
        if to < next {
            return 0;
        }
        self.put(to);
        // What is between is not kept any more.
        to + 1 - next
    }

    /// Forgets that the entries from `offset` on were seen, since they were not shown.
    pub(super) fn rewind(&mut self, offset: u64) {
        self.put(offset - 1);
    }

    fn put(&mut self, offset: u64) {
        let epoch = self.epoch;
        self.at = Some(Position { epoch, offset });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seen: &Seen) -> Option<(u32, u64)> {
        seen.since().map(|at| (at.epoch, at.offset))
    }

    #[test]
    fn an_entry_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!(seen.enter(7, 4, None), Return::New);
        assert_eq!(at(&seen), None);
        assert_eq!(seen.take(3), Taken::Next);
        assert_eq!(seen.take(4), Taken::Next);
        assert_eq!(seen.take(4), Taken::Again);
        assert_eq!(seen.enter(7, 6, Some(true)), Return::Whole);
        assert_eq!(seen.take(4), Taken::Again);
        assert_eq!(seen.take(5), Taken::Next);
        assert_eq!(at(&seen), Some((7, 5)));
    }

    #[test]
    fn of_an_empty_room_all_is_seen() {
        let mut seen = Seen::default();
        seen.enter(7, 0, None);
        assert_eq!(at(&seen), Some((7, 0)));
        assert_eq!(seen.enter(7, 2, Some(true)), Return::Whole);
        assert_eq!(seen.take(1), Taken::Next);
        let mut seen = Seen::default();
        seen.enter(7, 0, None);
        assert_eq!(seen.enter(8, 0, Some(false)), Return::Whole);
        assert_eq!(seen.enter(9, 30, Some(false)), Return::Whole);
        assert_eq!(seen.take(11), Taken::Behind(10));
    }

    #[test]
    fn a_hole_is_told_once() {
        let mut seen = Seen::default();
        seen.enter(7, 0, None);
        assert_eq!(seen.take(3), Taken::Behind(2));
        assert_eq!(seen.skip(5, 6), 3);
        assert_eq!(seen.skip(4, 6), 0);
        assert_eq!(seen.take(7), Taken::Next);
        assert_eq!(seen.enter(7, 30, Some(false)), Return::Partly);
        assert_eq!(seen.take(6), Taken::Again);
        assert_eq!(seen.take(20), Taken::Behind(12));
        assert_eq!(seen.take(23), Taken::Behind(2));
    }

    #[test]
    fn another_epoch_begins_anew() {
        let mut seen = Seen::default();
        seen.enter(7, 0, None);
        seen.take(1);
        assert_eq!(seen.enter(8, 5, Some(false)), Return::Anew);
        assert_eq!(seen.take(1), Taken::Next);
        assert_eq!(at(&seen), Some((8, 1)));
        // The same epoch with fewer entries is no continuation either.
        assert_eq!(seen.enter(8, 0, Some(false)), Return::Anew);
    }
}
