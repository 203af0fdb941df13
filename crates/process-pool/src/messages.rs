//! The frames that a pool, its workers and its fork server exchange.

use std::io;

use switchboard_net::Stream;
use switchboard_process::frame::{Frame, FrameFormat, FrameReader};

/// The longest arguments and results, in bytes of JSON.
const LIMIT: u32 = 64 << 20;

/// The kind of an answer whose body is the result.
pub(crate) const RETURNED: u32 = 0;
/// The kind of an answer whose body is the text of the error that the job returned.
pub(crate) const FAILED: u32 = 1;
/// The kind of an answer whose body is the message of a panic.
pub(crate) const PANICKED: u32 = 2;
/// The kind of an answer whose body says what is wrong with the arguments.
pub(crate) const BAD_ARGUMENTS: u32 = 3;
/// The kind of an answer whose body says what is wrong with the result.
pub(crate) const BAD_RESULT: u32 = 4;

/// The answers of a worker.
pub(crate) const ANSWER: FrameFormat = FrameFormat {
    kinds: BAD_RESULT + 1,
    limit: LIMIT,
};

/// The replies of the fork server.
pub(crate) const STARTED: FrameFormat = FrameFormat {
    kinds: 1,
    limit: 1024,
};

/// Returns the format of the requests to a worker: the kind is the index of a job, the body its
/// arguments.
pub(crate) fn request(jobs: usize) -> FrameFormat {
    FrameFormat {
        kinds: u32::try_from(jobs).unwrap_or(u32::MAX),
        limit: LIMIT,
    }
}

/// Waits for a frame. If the future is dropped, what has come stays in `reader`.
pub(crate) async fn receive(stream: &Stream, reader: &mut FrameReader) -> io::Result<Frame> {
    loop {
        let length = stream.read(reader.missing()).await?;
        if let Some(frame) = reader.received(length)? {
            return Ok(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use switchboard_runtime::Model;

    use super::*;

    fn received(bytes: &[u8]) -> io::Result<(u32, Vec<u8>)> {
        let (mut there, here) = UnixStream::pair().unwrap();
        there.write_all(bytes).unwrap();
        drop(there);
        let stream = Stream::from(here);
        let mut reader = ANSWER.reader();
        let receive = receive(&stream, &mut reader);
        let frame = Model::Tasks.run(receive).unwrap()?;
        Ok((frame.kind, frame.body))
    }

    #[test]
    fn an_answer_is_received_as_it_was_sent() {
        let result = ANSWER.encode_json(RETURNED, &(1, "two")).unwrap();
        let result = received(&result).unwrap();
        assert_eq!(result, (RETURNED, b"[1,\"two\"]".to_vec()));
        let error = received(&ANSWER.encode_text(FAILED, "no")).unwrap();
        assert_eq!(error, (FAILED, b"no".to_vec()));
    }

    #[test]
    fn garbage_is_an_error() {
        let error = received(&[0xff; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("4294967295 bytes"), "{error}");
        let error = received(&ANSWER.encode_text(BAD_RESULT + 1, "")).unwrap_err();
        assert!(error.to_string().contains("unknown kind 5"), "{error}");
        let cut = &ANSWER.encode_text(RETURNED, "123")[..10];
        let error = received(cut).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_long_result_is_refused_and_a_long_text_is_cut() {
        let long = "x".repeat(LIMIT as usize);
        let error = ANSWER.encode_json(RETURNED, &long).unwrap_err();
        assert!(error.to_string().contains("67108866 bytes"), "{error}");
        let cut = ANSWER.encode_text(FAILED, &format!("{long}x"));
        assert_eq!(cut.len(), 8 + LIMIT as usize);
    }
}
