//! The row of an output: what became of one request.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Version;

use crate::Address;

/// One request of a crawl and what came of it: a row of each output.
///
/// Each hop of a redirect is a row of its own, with the depth of the page that led to it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The number of the row: 1 for the first one of a crawl, and one more for each.
    pub seq: u64,
    /// What was asked for.
    pub address: Address,
    /// The links between a seed and this page, 0 for a seed.
    pub depth: u32,
    /// The page whose link led here first; `None` for a seed.
    pub parent: Option<Address>,
    /// When the request was sent.
    pub started: SystemTime,
    /// The time from then to the end of the body, or to the failure.
    pub took: Duration,
    /// Who answered; `None` if there was no connection, or if it went through a proxy.
    pub peer: Option<SocketAddr>,
    /// The head of the request as it was sent, with the empty line that ends it. Empty if none was sent.
    pub request: Bytes,
    /// What came back; `None` if no head of an answer did.
    pub answer: Option<Answer>,
    /// What became of the page, as the crawl's report names it: `fetched`, `failed` …
    pub fate: &'static str,
    /// Why it failed, in one line; `None` if it did not.
    pub cause: Option<String>,
    /// The title of the page, empty if it has none.
    pub title: String,
    /// How many links the page has.
    pub links: u32,
}

/// An answer: its head, and as much of its body as was read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The version of HTTP that it came by.
    pub version: Version,
    /// The status of three digits.
    pub status: u16,
    /// The reason behind the status, often empty.
    pub reason: String,
    /// The fields of the head in the order in which they came, as they were sent.
    pub fields: Vec<(String, Bytes)>,
    /// The body, with its transfer codings and content codings undone.
    pub body: Bytes,
    /// The body with its content codings on (`gzip` …), if it had any and its bytes were kept.
    pub received: Option<Bytes>,
    /// Why the body is not whole; `None` if it is.
    pub truncated: Option<Truncated>,
}

impl Answer {
    /// Returns the first field of a name, which is compared without regard to case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &value[..])
    }

    /// Returns the bytes of the body that an archive keeps: those received, or the body where they are not
    /// there.
    pub fn archived(&self) -> &Bytes {
        self.received.as_ref().unwrap_or(&self.body)
    }
}

/// Why a body is not whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Truncated {
    /// It is longer than the limit.
    Length,
    /// It took longer than the limit.
    Time,
    /// The connection ended before it did.
    Disconnect,
}

impl Truncated {
    /// Returns the word of WARC's field `WARC-Truncated`.
    pub fn name(self) -> &'static str {
        match self {
            Truncated::Length => "length",
            Truncated::Time => "time",
            Truncated::Disconnect => "disconnect",
        }
    }
}
