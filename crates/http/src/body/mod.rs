//! The bodies of requests and responses.

mod adapted;
mod file;
mod request;
mod watch;

use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

pub(crate) use self::adapted::Adapted;
pub(crate) use self::file::FileRange;
use self::request::RequestBody;
pub(crate) use self::request::{Demand, Feeder, fed_body};
use self::watch::Watch;

/// The body of a request, and of a response: bytes, a part of a file, or what comes as it is asked for.
///
/// A handler may answer with any `http_body::Body`. One that answers with this type has files sent by the
/// kernel where the connection can do so.
///
/// ```
/// use switchboard_http::Body;
/// use switchboard_runtime::Model;
///
/// let mut body = Body::from("hello");
/// assert_eq!(body.length(), Some(5));
/// let bytes = Model::Tasks.run(body.chunk())?;
/// assert_eq!(&bytes.unwrap()?[..], b"hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Default)]
pub struct Body(Kind, Option<Box<Watch>>);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Bytes(Bytes),
    File(FileRange),
    Request(RequestBody),
    Other(Pin<Box<dyn HttpBody<Data = Bytes, Error = io::Error> + Send>>),
}

impl Body {
    /// Returns a body without bytes.
    pub fn empty() -> Body {
        Body(Kind::Empty, None)
    }

    /// Returns a part of a file, from the offset `range.start` on. The part must be there until it is sent:
    /// if the file becomes shorter, the body ends with an error, and so the connection is cut.
    ///
    /// Reading a file blocks the thread: under a model with a loop, a disk that is slow delays the loop's
    /// other connections.
    ///
    /// ```
    /// use std::fs::File;
    /// use switchboard_http::Body;
    ///
    /// let file = File::open("Cargo.toml")?;
    /// let body = Body::file(file, 0..9);
    /// assert_eq!(body.length(), Some(9));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn file(file: File, range: Range<u64>) -> Body {
        let kind = match range.is_empty() {
            true => Kind::Empty,
            false => Kind::File(FileRange { file, range }),
        };
        Body(kind, None)
    }

    /// Returns a body that streams what `body` yields.
    ///
    /// ```
    /// use http_body_util::Full;
    /// use hyper::body::Bytes;
    /// use switchboard_http::Body;
    ///
    /// let body = Body::new(Full::<Bytes>::from("hello"));
    /// assert_eq!(body.length(), Some(5));
    /// ```
    pub fn new<B>(body: B) -> Body
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body(Kind::Other(Box::pin(Adapted { body })), None)
    }

    /// Returns the same body, which tells `end` once it is dropped: how many of its bytes were taken, and
    /// whether they were all. A connection that ends early drops the body early. What was taken last may be on
    /// its way still.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use switchboard_http::Body;
    /// use switchboard_runtime::Model;
    ///
    /// let (told, ends) = mpsc::channel();
    /// let body = Body::from("hello").on_end(move |bytes, whole| told.send((bytes, whole)).unwrap());
    /// Model::Tasks.run(body.bytes(1024))??;
    /// assert_eq!(ends.recv(), Ok((5, true)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_end(mut self, end: impl FnOnce(u64, bool) + Send + 'static) -> Body {
        let mut watch = Watch::new(end, self.1.take());
        watch.count(0, self.is_end_stream());
        self.1 = Some(Box::new(watch));
        self
    }

    /// Returns the number of bytes that are left, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Returns whether all of the body is in memory already, or it is empty.
    ///
    /// ```
    /// use switchboard_http::Body;
    ///
    /// assert!(Body::from("hello").is_whole());
    /// ```
    pub fn is_whole(&self) -> bool {
        matches!(self.0, Kind::Empty | Kind::Bytes(_))
    }

    /// Waits for the next bytes; `None` at the end. Trailers are left out. A dropped future loses nothing.
    ///
    /// # Errors
    /// `UnexpectedEof` for a body that is cut, and for a file that has become shorter; `InvalidData` for
    /// bytes that do not keep to the framing; `TimedOut` for a client that is too slow; others of the
    /// connection or of the body's source.
    pub async fn chunk(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut *self).poll_frame(context)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(bytes)) => return Some(Ok(bytes)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Reads the whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// `FileTooLarge` for a longer body; those of [`chunk`](Body::chunk).
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use switchboard_http::Body;
    /// use switchboard_runtime::Model;
    ///
    /// let read = Model::Tasks.run(Body::from("hello").bytes(4))?;
    /// assert_eq!(read.unwrap_err().kind(), ErrorKind::FileTooLarge);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bytes(mut self, limit: usize) -> io::Result<Bytes> {
        let too_long = || {
            let text = format!("a body of more than {limit} bytes");
            io::Error::new(io::ErrorKind::FileTooLarge, text)
        };
        if self.size_hint().lower() > limit as u64 {
            return Err(too_long());
        }
        let Some(first) = self.chunk().await else {
            return Ok(Bytes::new());
        };
        let first = first?;
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk().await {
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&bytes?);
            if whole.len() > limit {
                return Err(too_long());
            }
        }
        match (whole.is_empty(), first.len() > limit) {
            (_, true) => Err(too_long()),
            (true, _) => Ok(first),
            (false, _) => Ok(whole.into()),
        }
    }

    /// Returns all bytes of a body that has them at hand, or has none.
    #[inline]
    pub(crate) fn at_hand(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Empty => Some(&[]),
            Kind::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the part of a file that is left, of a body that is one.
    pub(crate) fn file_left(&mut self) -> Option<&mut FileRange> {
        match &mut self.0 {
            Kind::File(file) => Some(file),
            _ => None,
        }
    }

    /// Notes that bytes were taken otherwise than by polls; `whole` once nothing is left.
    #[inline]
    pub(crate) fn count(&mut self, bytes: usize, whole: bool) {
        if let Some(watch) = &mut self.1 {
            watch.count(bytes as u64, whole);
        }
    }

    /// Returns the body of a request that a connection feeds.
    pub(crate) fn fed(body: RequestBody) -> Body {
        Body(Kind::Request(body), None)
    }
}

impl Kind {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let bytes = match self {
            Kind::Empty => return Poll::Ready(None),
            Kind::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Kind::File(file) => match file.read() {
                Ok(bytes) if !file.range.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                read => read,
            },
            Kind::Request(body) => return body.poll_frame(context),
            Kind::Other(body) => return body.as_mut().poll_frame(context),
        };
        *self = Kind::Empty;
        Poll::Ready(Some(bytes.map(Frame::data)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(self.0.poll(context));
        if self.1.is_some() {
            let taken = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => 0,
            };
            let whole = frame.is_none() || self.is_end_stream();
            let failed = matches!(frame, Some(Err(_)));
            if let Some(watch) = &mut self.1 {
                watch.count(taken as u64, whole && !failed);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Bytes(_) | Kind::File(_) => false,
            Kind::Request(body) => body.left() == Some(0),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::File(file) => SizeHint::with_exact(file.length()),
            Kind::Request(body) => body.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        let kind = match bytes.is_empty() {
            true => Kind::Empty,
            false => Kind::Bytes(bytes),
        };
        Body(kind, None)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Body::from(Bytes::from(text))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::from(Bytes::from(text))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::from(Bytes::from(bytes))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length() {
            Some(length) => write!(f, "Body({length} bytes)"),
            None => f.write_str("Body"),
        }
    }
}
