//! Frames: what a pool and a worker say to each other.
//!
//! ```text
//!   length u32 │ kind u32 │ body, `length` bytes
//! ```
//!
//! To a worker the kind is a job's place in the list and the body its arguments. A worker's kinds are
//! below.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use switchboard_net::Stream;

/// The longest body, in bytes.
pub(crate) const LIMIT: usize = 64 << 20;

/// The body is the result.
pub(crate) const DONE: u32 = 0;
/// The body is the text of the error that the job returned.
pub(crate) const FAILED: u32 = 1;
/// The body is the panic's message.
pub(crate) const PANICKED: u32 = 2;
/// The body says what is wrong with the arguments.
pub(crate) const ARGUMENTS: u32 = 3;
/// The body says what is wrong with the result.
pub(crate) const RESULT: u32 = 4;

const HEADER: usize = 8;

/// A frame with `value` as JSON, or what is wrong with it.
pub(crate) fn json(kind: u32, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, String> {
    let mut frame = vec![0; HEADER];
    serde_json::to_writer(&mut frame, value).map_err(|error| error.to_string())?;
    let length = frame.len() - HEADER;
    if length > LIMIT {
        return Err(format!(
            "{length} bytes of JSON, of which {LIMIT} may be sent"
        ));
    }
    seal(&mut frame, kind);
    Ok(frame)
}

/// A frame with `text`, or as much of it as may be sent.
pub(crate) fn text(kind: u32, text: &str) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    frame.extend_from_slice(&text.as_bytes()[..text.len().min(LIMIT)]);
    seal(&mut frame, kind);
    frame
}

fn seal(frame: &mut [u8], kind: u32) {
    // No longer than the limit, which fits.
    let length = (frame.len() - HEADER) as u32;
    frame[..4].copy_from_slice(&length.to_ne_bytes());
    frame[4..HEADER].copy_from_slice(&kind.to_ne_bytes());
}

/// The kind, and room for the body.
fn open(header: [u8; HEADER]) -> io::Result<(u32, Vec<u8>)> {
    let [a, b, c, d, kind @ ..] = header;
    let length = u32::from_ne_bytes([a, b, c, d]) as usize;
    if length > LIMIT {
        let text = format!(
            "it sent a frame of {length} bytes, more than {LIMIT}: does a job write to its socket?"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok((u32::from_ne_bytes(kind), vec![0; length]))
}

/// Blocks until a frame has come.
pub(crate) fn read(mut socket: &UnixStream) -> io::Result<(u32, Vec<u8>)> {
    let mut header = [0; HEADER];
    socket.read_exact(&mut header)?;
    let (kind, mut body) = open(header)?;
    socket.read_exact(&mut body)?;
    Ok((kind, body))
}

/// Waits for a worker's answer. Dropped before that, it may have taken a part.
pub(crate) async fn recv(stream: &Stream) -> io::Result<(u32, Vec<u8>)> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let (kind, mut body) = open(header)?;
    if kind > RESULT {
        let text =
            format!("it sent a frame of unknown kind {kind}: does a job write to its socket?");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use switchboard_runtime::Model;

    use super::*;

    fn heard(bytes: &[u8]) -> io::Result<(u32, Vec<u8>)> {
        let (mut there, here) = UnixStream::pair().unwrap();
        there.write_all(bytes).unwrap();
        drop(there);
        let stream = Stream::from(here);
        Model::Tasks.run(recv(&stream)).unwrap()
    }

    #[test]
    fn a_frame_is_heard_as_it_was_sent() {
        let (kind, body) = heard(&json(DONE, &(1, "two")).unwrap()).unwrap();
        assert_eq!((kind, body.as_slice()), (DONE, &b"[1,\"two\"]"[..]));
        assert_eq!(
            heard(&text(FAILED, "no")).unwrap(),
            (FAILED, b"no".to_vec())
        );
    }

    #[test]
    fn garbage_is_an_error() {
        let error = heard(&[0xff; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
        let error = heard(&text(RESULT + 1, "")).unwrap_err();
        assert!(error.to_string().contains("unknown kind 5"), "{error}");
        let cut = &text(DONE, "123")[..10];
        assert_eq!(heard(cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn what_is_too_long_is_refused_or_cut() {
        let long = "x".repeat(LIMIT);
        let error = json(DONE, &long).unwrap_err();
        assert!(error.contains("67108866 bytes"), "{error}");
        assert_eq!(text(FAILED, &format!("{long}x")).len(), HEADER + LIMIT);
    }
}
