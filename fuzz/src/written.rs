//! Messages, written by the encoder.

use std::time::Instant;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Version};

use crate::h1::encode::{BodyLength, Persistence, chunk_size, field, last_chunk, response_head};
use crate::h1::framing::Framing;
use crate::message::{Message, Start};

/// The bytes of each chunk.
const CHUNK: usize = 7;

/// Writes `message`, which was read; `head` says that it answers a request for the head alone.
pub(crate) fn written(message: &Message, head: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match &message.start {
        Start::Request(method, uri) => {
            let version = match message.version {
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            };
            out.extend_from_slice(format!("{method} {uri} {version}\r\n").as_bytes());
            for (name, value) in &message.headers {
                field(&mut out, name.as_str(), value.as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        Start::Answer(status) => {
            let without = head || status.is_informational() || matches!(status.as_u16(), 204 | 304);
            let length = body_length(&message.headers, message.framing, without);
            let persistence = match message.keeps_alive {
                true => Persistence::KeepAlive,
                false => Persistence::Close,
            };
            let headers = &message.headers;
            response_head(
                &mut out,
                *status,
                headers,
                length,
                persistence,
                Instant::now(),
            );
        }
    }
    if message.framing == Some(Framing::Chunked) {
        for chunk in message.body.chunks(CHUNK) {
            chunk_size(&mut out, chunk.len());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        last_chunk(&mut out, Some(&message.trailers));
    } else {
        out.extend_from_slice(&message.body);
    }
    out
}

fn body_length(headers: &HeaderMap, framing: Option<Framing>, without: bool) -> BodyLength {
    let given = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match (framing, given) {
        // The length that another method, or another status, would have.
        (_, Some(length)) => BodyLength::Exact(length),
        _ if without => BodyLength::Nothing,
        (Some(Framing::Length(length)), None) => BodyLength::Exact(length),
        (Some(Framing::Chunked), None) => BodyLength::Chunked,
        (None, None) => BodyLength::UntilClose,
    }
}
