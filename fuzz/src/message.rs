//! Messages as a connection reads them: in pieces, heads by the parsers and bodies by the decoder.

use http::{HeaderMap, Request, StatusCode, Uri, Version};
use switchboard_net::Chunk;

use crate::buffers::Input;
use crate::h1::decode::{Decoded, Decoder};
use crate::h1::framing::Framing;
use crate::h1::head::{HeadLimits, RequestHead, parse_request};
use crate::h1::response::{HEAD_BYTES, parse_response};
use crate::h1::{Parsed, Refusal};

/// Small, so that they are reached; more fields than the parser has room for on the stack.
pub(crate) const LIMITS: HeadLimits = HeadLimits {
    bytes: 1024,
    fields: 40,
    uri: 200,
};

#[derive(Debug, PartialEq)]
pub(crate) enum Start {
    Request(http::Method, Uri),
    Answer(StatusCode),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) start: Start,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// `None` for a body that ends with the connection.
    pub(crate) framing: Option<Framing>,
    pub(crate) keeps_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrades: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Where its head, its body and it all begin and end in the bytes.
    pub(crate) begin: usize,
    pub(crate) head_end: usize,
    pub(crate) end: usize,
}

/// Why there is no message.
#[derive(Debug, PartialEq)]
pub(crate) enum No {
    /// The bytes end in the middle of one, or before it.
    Whole,
    Refused(Refusal),
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> No {
        No::Refused(refusal)
    }
}

/// A connection on which bytes come in pieces.
pub(crate) struct Connection<'a> {
    bytes: &'a [u8],
    /// The lengths of the pieces, in turn; `None` for all at once.
    pieces: Option<[usize; 2]>,
    turn: usize,
    came: usize,
    input: Input,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(bytes: &'a [u8], pieces: Option<[usize; 2]>) -> Connection<'a> {
        let mut connection = Connection {
            bytes,
            pieces,
            turn: 0,
            came: 0,
            input: Input::new(Chunk::empty()),
        };
        connection.receive(usize::MAX);
        connection
    }

    /// Receives the next piece; `None` if there is none, else whether a head may be whole with it.
    fn receive(&mut self, limit: usize) -> Option<bool> {
        let left = &self.bytes[self.came..];
        let next = self.pieces.map_or(left.len(), |of| of[self.turn % 2]);
        let next = &left[..next.min(left.len())];
        if next.is_empty() {
            return None;
        }
        self.came += next.len();
        self.turn += 1;
        // A connection that waits gives its chunk back.
        if self.turn.is_multiple_of(3) {
            self.input.release();
        }
        Some(self.input.push(Chunk::from(next), limit))
    }

    /// Where the next byte is.
    fn at(&self) -> usize {
        self.came - self.input.bytes().len()
    }

    /// Parses until a head is whole. At the end of the bytes the last look counts.
    fn head<T>(
        &mut self,
        limit: usize,
        mut parse: impl FnMut(&mut Input) -> Parsed<T>,
    ) -> Result<T, No> {
        loop {
            match parse(&mut self.input) {
                Parsed::Complete(head) => return Ok(head),
                Parsed::Refused(refusal) => return Err(refusal.into()),
                Parsed::Partial => {}
            }
            let mut looks = self.receive(limit).ok_or(No::Whole)?;
            while !looks {
                match self.receive(limit) {
                    Some(next) => looks = next,
                    None => break,
                }
            }
        }
    }

    pub(crate) fn request(&mut self) -> Result<Message, No> {
        let mut request = Request::new(());
        let head: RequestHead = self.head(LIMITS.bytes, |input| {
            input.skip_empty_lines();
            if input.bytes().is_empty() {
                return Parsed::Partial;
            }
            request = Request::new(());
            parse_request(input.bytes(), &LIMITS, &mut request)
        })?;
        let begin = self.at();
        self.input.consume(head.length);
        let (parts, ()) = request.into_parts();
        self.body(Message {
            start: Start::Request(parts.method, parts.uri),
            version: parts.version,
            headers: parts.headers,
            framing: Some(head.framing),
            keeps_alive: head.keeps_alive,
            expects_continue: head.expects_continue,
            upgrades: head.upgrades,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            begin,
            head_end: begin + head.length,
            end: 0,
        })
    }

    /// Reads an answer to a request, which may be one for the head alone.
    pub(crate) fn answer(&mut self, head: bool) -> Result<Message, No> {
        let parsed = self.head(HEAD_BYTES, |input| parse_response(input.bytes(), head))?;
        let begin = self.at();
        self.input.consume(parsed.length);
        self.body(Message {
            start: Start::Answer(parsed.status),
            version: parsed.version,
            headers: parsed.headers,
            framing: parsed.framing,
            keeps_alive: parsed.keeps_alive,
            expects_continue: false,
            upgrades: false,
            body: Vec::new(),
            trailers: HeaderMap::new(),
            begin,
            head_end: begin + parsed.length,
            end: 0,
        })
    }

    fn body(&mut self, mut message: Message) -> Result<Message, No> {
        let mut decoder = message.framing.map(Decoder::new);
        loop {
            let (framing, found) = match &mut decoder {
                Some(decoder) => decoder.decode(self.input.bytes())?,
                None => match self.input.bytes().len() {
                    0 => (0, Decoded::More),
                    length => (0, Decoded::Data(length)),
                },
            };
            self.input.consume(framing);
            match found {
                Decoded::Data(length) => message.body.extend_from_slice(&self.input.take(length)),
                Decoded::Trailers(trailers) => message.trailers = trailers,
                Decoded::End => break,
                Decoded::More => {
                    if self.receive(LIMITS.bytes).is_none() {
                        match decoder {
                            Some(_) => return Err(No::Whole),
                            None => break,
                        }
                    }
                }
            }
        }
        message.end = self.at();
        Ok(message)
    }
}
