//! A request's head and body on their way, by polls, so that the answer may come meanwhile.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::Body as _;

use super::io::Io;
use crate::Body;
use crate::h1::encode::{chunk_size, last_chunk};

/// The most bytes of a body that are copied behind the head.
const SMALL: usize = 4 * 1024;

/// Why a request could not be sent.
pub(super) enum PumpError {
    /// Its body has failed.
    Body(io::Error),
    Connection(io::Error),
}

/// What is left to be sent.
pub(super) struct Pump {
    /// Bytes before `data`: a head, the size of a chunk, the end of a body.
    framing: Vec<u8>,
    at: usize,
    data: Bytes,
    tail: &'static [u8],
    /// `None` once it has ended.
    body: Option<Body>,
    /// The bytes that the head has promised and that are left; `None` for chunks.
    left: Option<u64>,
    /// Bytes so far, by which a caller sees whether it goes on.
    pub(super) moved: u64,
    /// Whether all that has come of the body was sent, so that it waits for more of it.
    pub(super) waits_for_body: bool,
}

impl Pump {
    pub(super) fn new(head: &[u8], body: Body) -> Pump {
        Pump {
            framing: head.to_vec(),
            at: 0,
            data: Bytes::new(),
            tail: b"",
            left: body.length(),
            body: Some(body),
            moved: 0,
            waits_for_body: false,
        }
    }

    /// Sends what there is; completes when all was sent.
    pub(super) fn poll(
        &mut self,
        io: &mut Io,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), PumpError>> {
        self.waits_for_body = false;
        loop {
            // What has come of a small body goes with its head.
            if self.data.is_empty() && self.tail.is_empty() && self.body.is_some() {
                let before = self.framing.len();
                match self.poll_body(context) {
                    Poll::Ready(result) => result.map_err(PumpError::Body)?,
                    Poll::Pending if before == self.at => {
                        // TLS may hold bytes that the socket did not take before.
                        ready!(io.poll_flush(context)).map_err(PumpError::Connection)?;
                        self.waits_for_body = true;
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            ready!(self.poll_send(io, context)).map_err(PumpError::Connection)?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the next bytes of the body.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        let Some(frame) = ready!(Pin::new(body).poll_frame(context)) else {
            self.body = None;
            return Poll::Ready(self.end(None));
        };
        match frame?.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => match &mut self.left {
                Some(left) => {
                    *left = left.checked_sub(data.len() as u64).ok_or_else(uneven)?;
                    if *left == 0 {
                        self.body = None;
                    }
                    self.put(data);
                }
                None => {
                    chunk_size(&mut self.framing, data.len());
                    self.tail = b"\r\n";
                    self.put(data);
                }
            },
            Err(frame) => {
                self.body = None;
                let trailers = frame.into_trailers().ok();
                return Poll::Ready(self.end(trailers.as_ref()));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, data: Bytes) {
        if data.len() <= SMALL {
            self.framing.extend_from_slice(&data);
            self.framing
                .extend_from_slice(std::mem::take(&mut self.tail));
        } else {
            self.data = data;
        }
    }

    fn end(&mut self, trailers: Option<&http::HeaderMap>) -> io::Result<()> {
        match self.left {
            Some(0) => Ok(()),
            Some(_) => Err(uneven()),
            None => {
                last_chunk(&mut self.framing, trailers);
                Ok(())
            }
        }
    }

    fn poll_send(&mut self, io: &mut Io, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let framing = &self.framing[self.at..];
            let whole = framing.len() + self.data.len() + self.tail.len();
            if whole == 0 {
                self.framing.clear();
                self.at = 0;
                return io.poll_flush(context);
            }
            let buffers = [
                IoSlice::new(framing),
                IoSlice::new(&self.data),
                IoSlice::new(self.tail),
            ];
            let mut sent = ready!(io.poll_send_vectored(context, &buffers))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.moved += sent as u64;
            let of_framing = sent.min(framing.len());
            self.at += of_framing;
            sent -= of_framing;
            let of_data = sent.min(self.data.len());
            self.data.advance(of_data);
            sent -= of_data;
            self.tail = &self.tail[sent..];
        }
    }
}

fn uneven() -> io::Error {
    let text = "a request's body is not as long as its head has promised";
    io::Error::new(io::ErrorKind::InvalidData, text)
}
