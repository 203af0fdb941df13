//! One response, sent with the framing that its request and its body allow.

use std::any::Any;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Buf;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap};
use http::{Response, StatusCode};
use hyper::body::Body as HttpBody;
use switchboard_runtime as runtime;

use super::buffers::{Input, Output};
use super::feed::{Feed, drive};
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::body::Body;
use crate::h1::encode::{BodyLength, Persistence, chunk_size, last_chunk, response_head};

/// The most bytes of data that are copied behind the head, and of answers that are sent together.
const SMALL: usize = 4 * 1024;
pub(super) const TOGETHER: usize = 16 * 1024;

/// What a response must know of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Whether the method is `HEAD`.
    pub(super) head: bool,
    /// Whether the version is HTTP/1.0.
    pub(super) old: bool,
    /// Whether another protocol is asked for.
    pub(super) upgrades: bool,
    pub(super) keeps_alive: bool,
}

/// A response whose head is written.
pub(super) struct Answer<B> {
    body: B,
    length: BodyLength,
    keeps_alive: bool,
}

impl<B> Answer<B>
where
    B: HttpBody + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Writes the head of `response` to `out`, and its body if that is small and at hand. The connection `ends`
    /// after it if nothing else says so.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub(super) fn new(
        mut response: Response<B>,
        asked: Asked,
        ends: bool,
        out: &mut Vec<u8>,
    ) -> Answer<B> {
        let status = response.status();
        let bytes = own(response.body_mut()).and_then(|body| body.at_hand().map(<[u8]>::len));
        let known = match bytes {
            Some(bytes) => Some(bytes as u64),
            None => response.body().size_hint().exact(),
        };
        let mut length = body_length(status, response.headers(), known, asked);
        let headers = response.headers();
        let keeps_alive = asked.keeps_alive
            && !ends
            && length != BodyLength::UntilClose
            && (headers.is_empty() || !says_close(headers));
        let persistence = match (keeps_alive, asked.old) {
            (false, _) => Persistence::Close,
            (true, true) => Persistence::KeepAlive,
            (true, false) => Persistence::Unsaid,
        };
        response_head(out, status, headers, length, persistence, runtime::now());
        if asked.head || status == StatusCode::NOT_MODIFIED || length == BodyLength::Exact(0) {
            length = BodyLength::Nothing;
        }
        if length != BodyLength::Nothing
            && bytes.is_some_and(|bytes| bytes <= SMALL)
            && let Some(body) = own(response.body_mut())
        {
            let bytes = body.at_hand().unwrap_or_default();
            out.extend_from_slice(bytes);
            let bytes = bytes.len();
            body.count(bytes, true);
            length = BodyLength::Nothing;
        }
        Answer {
            body: response.into_body(),
            length,
            keeps_alive,
        }
    }

    /// Returns whether all of it is written.
    pub(super) fn is_sent(&self) -> bool {
        self.length == BodyLength::Nothing
    }

    /// Returns whether the connection may go on.
    pub(super) fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// Sends the body. Returns whether the connection may go on.
    pub(super) async fn send<T: Transport>(
        mut self,
        wire: &mut Wire<T>,
        input: &mut Input,
        feed: &mut Option<Box<Feed>>,
        out: &mut Output,
    ) -> Result<bool, Failure> {
        if self.is_sent() {
            return Ok(self.keeps_alive);
        }
        wire.pace.reset_rates();
        if let BodyLength::Exact(_) = self.length
            && wire.io.socket().is_some()
            && let Some(body) = own(&mut self.body)
            && body.file_left().is_some()
        {
            wire.send_file(out, body, input).await?;
            return Ok(self.keeps_alive);
        }
        let mut streamed = Streamed {
            length: self.length,
            body: pin!(self.body),
        };
        streamed.send(wire, input, feed, out).await?;
        Ok(self.keeps_alive)
    }
}

/// Returns the body if it is of this crate's type.
#[inline(always)]
fn own<B: 'static>(body: &mut B) -> Option<&mut Body> {
    (body as &mut dyn Any).downcast_mut::<Body>()
}

/// Returns how the end of a body is told.
#[cfg_attr(not(debug_assertions), inline(always))]
fn body_length(
    status: StatusCode,
    headers: &HeaderMap,
    known: Option<u64>,
    asked: Asked,
) -> BodyLength {
    if status == StatusCode::NO_CONTENT {
        return BodyLength::Nothing;
    }
    let without_body = asked.head || status == StatusCode::NOT_MODIFIED;
    if let Some(length) = known {
        match (without_body, length) {
            (false, length) => return BodyLength::Exact(length),
            (true, 1..) if asked.head => return BodyLength::Exact(length),
            _ => {}
        }
    }
    let given = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    match given.and_then(|text| text.parse().ok()) {
        Some(length) => BodyLength::Exact(length),
        None if without_body => BodyLength::Nothing,
        None if asked.old => BodyLength::UntilClose,
        None => BodyLength::Chunked,
    }
}

#[cold]
fn says_close(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

fn copy(data: &mut impl Buf, out: &mut Vec<u8>) {
    while data.has_remaining() {
        let chunk = data.chunk();
        out.extend_from_slice(chunk);
        data.advance(chunk.len());
    }
}

/// A body that is sent as it comes.
struct Streamed<'a, B> {
    length: BodyLength,
    body: Pin<&'a mut B>,
}

impl<B> Streamed<'_, B>
where
    B: HttpBody,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Sends the body. Asks for a frame only once the one before is in the hands of the system, but for a few
    /// small ones.
    async fn send<T: Transport>(
        &mut self,
        wire: &mut Wire<T>,
        input: &mut Input,
        feed: &mut Option<Box<Feed>>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let mut trailers = None;
        loop {
            let polled = poll_fn(|context| Poll::Ready(self.body.as_mut().poll_frame(context)));
            let frame = match polled.await {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let pending = out.bytes().is_empty();
                    wire.flush(out, input).await?;
                    drive(wire, input, feed, pending, |context| {
                        self.body.as_mut().poll_frame(context)
                    })
                    .await?
                }
            };
            let Some(frame) = frame else { break };
            match frame.map_err(io::Error::other)?.into_data() {
                Ok(data) => self.send_data(data, wire, input, out).await?,
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        match self.length {
            BodyLength::Chunked => last_chunk(out.buffer(), trailers.as_ref()),
            BodyLength::Exact(1..) => {
                let text = "a response's body is shorter than its length";
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                return Err(error.into());
            }
            _ => {}
        }
        wire.flush(out, input).await?;
        Ok(())
    }

    async fn send_data<T: Transport>(
        &mut self,
        mut data: B::Data,
        wire: &mut Wire<T>,
        input: &mut Input,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let size = data.remaining();
        if size == 0 {
            return Ok(());
        }
        let tail: &'static [u8] = match &mut self.length {
            BodyLength::Exact(left) => {
                let Some(rest) = left.checked_sub(size as u64) else {
                    let text = "a response's body is longer than its length";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
                };
                *left = rest;
                b""
            }
            BodyLength::Chunked => {
                chunk_size(out.buffer(), size);
                b"\r\n"
            }
            BodyLength::Nothing | BodyLength::UntilClose => b"",
        };
        if size <= SMALL && out.bytes().len() + size <= TOGETHER {
            copy(&mut data, out.buffer());
            out.buffer().extend_from_slice(tail);
            return Ok(());
        }
        Ok(wire.send_data(out, &mut data, tail, input).await?)
    }
}
