//! Bodies that are made of a file while they are sent.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use switchboard_http::Body;

/// The bytes that are compressed at a time, so that others of the loop are served in between.
const PIECE: u64 = 32 * 1024;

/// Several ranges of a file, each after a head of its own: `multipart/byteranges`.
pub(super) struct Parts {
    file: File,
    /// The ranges that are left, the last one first.
    ranges: Vec<(String, Range<u64>)>,
    /// The bytes of the range that is being sent.
    current: Body,
    end: Bytes,
    left: u64,
}

impl Parts {
    /// Returns a body of `ranges` of a file with `length` bytes.
    pub(super) fn new(
        file: File,
        ranges: &[Range<u64>],
        length: u64,
        kind: &str,
        boundary: &str,
    ) -> Parts {
        let end = format!("\r\n--{boundary}--\r\n");
        let mut left = end.len() as u64;
        let heads = ranges.iter().rev().map(|range| {
            let (first, last) = (range.start, range.end - 1);
            let head = format!(
                "\r\n--{boundary}\r\ncontent-type: {kind}\r\n\
                 content-range: bytes {first}-{last}/{length}\r\n\r\n"
            );
            left += head.len() as u64 + (range.end - range.start);
            (head, range.clone())
        });
        Parts {
            ranges: heads.collect(),
            file,
            current: Body::empty(),
            end: end.into(),
            left,
        }
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(frame) = ready!(Pin::new(&mut self.current).poll_frame(context)) {
            return Poll::Ready(Some(frame));
        }
        Poll::Ready(match self.ranges.pop() {
            Some((head, range)) => Some(self.file.try_clone().map(|file| {
                self.current = Body::file(file, range);
                Frame::data(head.into())
            })),
            None if self.end.is_empty() => None,
            None => Some(Ok(Frame::data(std::mem::take(&mut self.end)))),
        })
    }
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(self.next(context));
        if let Some(Ok(frame)) = &frame {
            self.left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A file that is compressed while it is sent.
pub(super) struct Gzip {
    file: File,
    /// What is left.
    range: Range<u64>,
    /// `None` once all was compressed.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Gzip {
    pub(super) fn new(file: File, length: u64) -> Gzip {
        Gzip {
            file,
            range: 0..length,
            encoder: Some(GzEncoder::new(Vec::new(), Compression::new(5))),
        }
    }

    /// Reads and compresses the next piece; empty if the encoder has kept it.
    fn piece(&mut self, encoder: &mut GzEncoder<Vec<u8>>) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; (self.range.end - self.range.start).min(PIECE) as usize];
        let read = self.file.read_at(&mut bytes, self.range.start)?;
        if read == 0 {
            let text = "the file has become shorter while it was sent";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        self.range.start += read as u64;
        encoder.write_all(&bytes[..read])?;
        Ok(std::mem::take(encoder.get_mut()))
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(None);
        };
        while !self.range.is_empty() {
            let bytes = self.piece(&mut encoder)?;
            if !bytes.is_empty() {
                self.encoder = Some(encoder);
                return Ok(Some(bytes));
            }
        }
        encoder.finish().map(Some)
    }
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let bytes = self.next().transpose();
        Poll::Ready(bytes.map(|bytes| bytes.map(|bytes| Frame::data(bytes.into()))))
    }
}
