//! CSV as RFC 4180 has it: a header and a record for each row, each ended by CR and LF.
//!
//! The columns are the fields of the JSON lines, but for `fields`. What is null there is empty here.

use std::io;

use super::Fetched;
use super::jsonl::Facts;
use super::stream::Format;

pub(super) struct Csv;

const HEADER: &str = "seq,address,fate,status,type,location,length,received,truncated,title,links,depth,parent,started,took,peer,cause\r\n";

impl Format for Csv {
    fn begin(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        into.extend_from_slice(HEADER.as_bytes());
        Ok(())
    }

    fn row(&mut self, row: &Fetched, into: &mut Vec<u8>) -> io::Result<()> {
        let facts = Facts::new(row);
        let number = |number: Option<usize>| number.map(|number| number.to_string());
        let (length, received) = (number(facts.length), number(facts.received));
        let status = number(facts.status.map(usize::from));
        let columns: [&str; 17] = [
            &facts.seq.to_string(),
            facts.address,
            facts.fate,
            status.as_deref().unwrap_or_default(),
            facts.r#type.as_deref().unwrap_or_default(),
            facts.location.as_deref().unwrap_or_default(),
            length.as_deref().unwrap_or_default(),
            received.as_deref().unwrap_or_default(),
            facts.truncated.unwrap_or_default(),
            facts.title,
            &facts.links.to_string(),
            &facts.depth.to_string(),
            facts.parent.unwrap_or_default(),
            &facts.started,
            &facts.took.to_string(),
            facts.peer.as_deref().unwrap_or_default(),
            facts.cause.unwrap_or_default(),
        ];
        for (index, column) in columns.into_iter().enumerate() {
            if index > 0 {
                into.push(b',');
            }
            value(column, into);
        }
        into.extend_from_slice(b"\r\n");
        Ok(())
    }
}

fn value(text: &str, into: &mut Vec<u8>) {
    if !text.contains([',', '"', '\r', '\n']) {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    into.push(b'"');
    into.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    into.push(b'"');
}
