//! JSON lines: an object for each row.
//!
//! | field | what it is |
//! |---|---|
//! | `seq` | the number of the row, from 1 |
//! | `address` | what was asked for |
//! | `fate` | `fetched` or `failed` |
//! | `status` | the status, or null without an answer |
//! | `type` | the answer's `Content-Type`, or null |
//! | `location` | the answer's `Location`, or null |
//! | `length` | bytes of the body with all codings undone, or null without an answer |
//! | `received` | bytes of the body before its content codings were undone, or null if they were not kept |
//! | `truncated` | why the body is not whole (`length`, `time`, `disconnect`), or null |
//! | `title` | the title of the page, empty if it has none |
//! | `links` | the number of links in the page |
//! | `depth` | the number of links between a seed and the page |
//! | `parent` | the page whose link led here first, or null for a seed |
//! | `started` | when the request was sent, as RFC 3339 has it, in UTC |
//! | `took` | seconds from then to the end |
//! | `peer` | address and port of who answered, or null |
//! | `cause` | why it failed, or null |
//! | `fields` | the fields of the answer, each an array of its name and its value |
//!
//! The order is always this one. Values that are no UTF-8 are read as Latin-1.

use std::io;

use serde::Serialize;

use super::stream::Format;
use super::{Answer, Fetched, date, text};

pub(super) struct Jsonl;

/// The facts of a row as text, which CSV has too.
#[derive(Serialize)]
pub(super) struct Facts<'a> {
    pub(super) seq: u64,
    pub(super) address: &'a str,
    pub(super) fate: &'a str,
    pub(super) status: Option<u16>,
    pub(super) r#type: Option<String>,
    pub(super) location: Option<String>,
    pub(super) length: Option<usize>,
    pub(super) received: Option<usize>,
    pub(super) truncated: Option<&'a str>,
    pub(super) title: &'a str,
    pub(super) links: u32,
    pub(super) depth: u32,
    pub(super) parent: Option<&'a str>,
    pub(super) started: String,
    pub(super) took: f64,
    pub(super) peer: Option<String>,
    pub(super) cause: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    facts: Facts<'a>,
    fields: Vec<(&'a str, String)>,
}

impl Facts<'_> {
    pub(super) fn new(row: &Fetched) -> Facts<'_> {
        let answer = row.answer.as_ref();
        let field = |name| answer.and_then(|answer| answer.field(name)).map(text);
        Facts {
            seq: row.seq,
            address: row.address.as_str(),
            fate: row.fate,
            status: answer.map(|answer| answer.status),
            r#type: field("content-type"),
            location: field("location"),
            length: answer.map(|answer| answer.body.len()),
            received: answer.and_then(received),
            truncated: answer.and_then(|answer| answer.truncated.map(|why| why.name())),
            title: &row.title,
            links: row.links,
            depth: row.depth,
            parent: row.parent.as_ref().map(|parent| parent.as_str()),
            started: date(row.started),
            took: row.took.as_micros() as f64 / 1e6,
            peer: row.peer.map(|peer| peer.to_string()),
            cause: row.cause.as_deref(),
        }
    }
}

fn received(answer: &Answer) -> Option<usize> {
    match (&answer.received, answer.field("content-encoding")) {
        (Some(received), _) => Some(received.len()),
        (None, Some(_)) => None,
        (None, None) => Some(answer.body.len()),
    }
}

impl Format for Jsonl {
    fn begin(&mut self, _into: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, row: &Fetched, into: &mut Vec<u8>) -> io::Result<()> {
        let fields = row.answer.iter().flat_map(|answer| &answer.fields);
        let line = Line {
            facts: Facts::new(row),
            fields: fields
                .map(|(name, value)| (&name[..], text(value)))
                .collect(),
        };
        serde_json::to_writer(&mut *into, &line)?;
        into.push(b'\n');
        Ok(())
    }
}
