//! The first bytes of a peer, which tell whether it speaks TLS.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use switchboard_net::Stream;

/// The error of a handshake with a peer that speaks a protocol of text, such as HTTP without TLS.
///
/// The session has sent the peer nothing, so that it can be answered in its own protocol over a clone of the
/// stream.
///
/// ```
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
/// use switchboard_runtime::Model;
/// use switchboard_tls::{PlainText, TlsServer};
///
/// let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
/// let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?;
/// let (mut client, stream) = UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
/// let error = Model::Tasks.run(server.accept(stream.into()))?.unwrap_err();
/// assert!(PlainText::is(&error));
/// assert!(error.to_string().starts_with(r#"the peer speaks plain text ("GET / HTTP/1.1"#));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct PlainText(String);

impl PlainText {
    /// Returns whether `error` is one of these.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<PlainText>())
    }

    /// Returns the error, if `bytes`, the first of a peer, are text. Those of TLS are a number below 32.
    fn of(bytes: &[u8]) -> Option<io::Error> {
        bytes.first().filter(|byte| byte.is_ascii_alphabetic())?;
        let shown = &bytes[..bytes.len().min(24)];
        let text = shown.escape_ascii().to_string();
        Some(io::Error::new(io::ErrorKind::InvalidData, PlainText(text)))
    }
}

impl fmt::Display for PlainText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the peer speaks plain text (\"{}\") where TLS is expected: use https:// on one side, or no TLS on \
             the other",
            self.0
        )
    }
}

impl Error for PlainText {}

/// Returns whether `bytes`, the first of a client, hold its whole greeting, or are none of TLS. For servers
/// that run a handler only once it has something to do.
///
/// ```
/// use switchboard_tls::has_hello;
///
/// assert!(!has_hello(b"\x16\x03\x01\x00\x04\x01\x00"));
/// assert!(has_hello(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"));
/// assert!(has_hello(b"GET / HTTP/1.1"));
/// ```
pub fn has_hello(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [HANDSHAKE, _, _, high, low, hello @ ..] => {
            hello.len() >= u16::from_be_bytes([*high, *low]).into()
        }
        [first, ..] => *first != HANDSHAKE,
    }
}

/// The first byte of a record of a handshake.
const HANDSHAKE: u8 = 22;

/// A stream whose first read is looked at.
pub(crate) struct First {
    stream: Stream,
    read: bool,
}

impl First {
    pub(crate) fn new(stream: Stream) -> First {
        First {
            stream,
            read: false,
        }
    }
}

impl AsyncRead for First {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if !self.read {
            self.read = true;
            if let Some(error) = PlainText::of(&buffer[..length]) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for First {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
