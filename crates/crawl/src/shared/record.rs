//! Records of addresses, as Redis has them: a text of nine words, of which the last one, the cause, has blanks.

use crate::address::Address;
use crate::fate::Fate;
use crate::store::{Entry, Record};

/// Returns the text of a record.
pub(super) fn write(record: &Record) -> String {
    let (fate, status, depth, hops, tries, priority, seq, parent, cause) = record.row();
    let parent = if parent.is_empty() { "-" } else { parent };
    format!(
        "{fate} {status} {depth} {hops} {tries} {priority} {seq} {parent} {}",
        line(cause)
    )
}

/// What stands in the cause of a page that waits before the number of times that its host has asked to wait.
const WAITS: &str = "asked to wait: ";

/// Returns the text of the record of a page that waits to be tried again.
pub(super) fn waits(entry: &Entry) -> String {
    let cause = match entry.waits {
        0 => String::new(),
        waits => format!("{WAITS}{waits}"),
    };
    write(&entry.record(Fate::Pending, 0, &cause))
}

/// Returns a cause in one line.
pub(super) fn line(cause: &str) -> String {
    cause.replace(['\n', '\r'], " ")
}

/// Reads the text of a record; `None` if it is none.
pub(super) fn read(text: &str) -> Option<Record> {
    let mut words = text.splitn(9, ' ');
    let mut next = || words.next();
    let row = (
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next().map(|parent| if parent == "-" { "" } else { parent })?,
        next()?,
    );
    Record::from_row(row).ok()
}

/// Returns the entry of an address that waits.
pub(super) fn entry(address: &str, text: &str) -> Option<Entry> {
    let record = read(text)?;
    let parent = match &*record.parent {
        "" => None,
        parent => Some(Address::parse(parent).ok()?),
    };
    let waits = record.cause.strip_prefix(WAITS);
    Some(Entry {
        key: (0, record.depth, record.priority, record.seq),
        address: Address::parse(address).ok()?,
        parent,
        depth: record.depth,
        hops: record.hops,
        tries: record.tries,
        waits: waits.and_then(|it| it.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_waits_is_read_as_it_was_written() {
        for waits in [0, 3] {
            let entry = Entry {
                key: (0, 2, 1, 7),
                address: Address::parse("http://h/a").unwrap(),
                parent: Address::parse("http://h/").ok(),
                depth: 2,
                hops: 1,
                tries: 4,
                waits,
            };
            let again = super::entry(entry.address.as_str(), &super::waits(&entry)).unwrap();
            assert_eq!((again.tries, again.waits), (4, waits));
            assert_eq!(
                again.record(Fate::Pending, 0, ""),
                entry.record(Fate::Pending, 0, "")
            );
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for (parent, cause) in [("", ""), ("http://h/a b", "status 404: not found")] {
            let record = Record {
                fate: Fate::Failed,
                status: 404,
                depth: 3,
                hops: 1,
                tries: 2,
                priority: 1,
                seq: 1 << 40,
                parent: parent.replace(' ', "%20").into(),
                cause: cause.into(),
            };
            assert_eq!(read(&write(&record)), Some(record));
        }
        for text in [
            "",
            "9 0 0 0 0 1 1 - ",
            "0 0 0 0 0 1 1 -",
            "1 x 0 0 0 1 1 - c",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
