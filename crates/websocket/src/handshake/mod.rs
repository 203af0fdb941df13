//! The handshake, in which a connection leaves HTTP.

pub(crate) mod client;
pub(crate) mod options;
pub(crate) mod server;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Returns the answer to a key, which shows that the server speaks WebSocket (RFC 6455, 4.2.2).
fn answer_to(key: &[u8]) -> String {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// Returns whether a field that is a list has an element, which is compared without regard to case.
fn lists(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    elements(headers, name).any(|text| text.eq_ignore_ascii_case(element))
}

/// Returns the elements of a field that is a list.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(name).iter();
    let texts = texts.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_is_that_of_the_standard() {
        let answer = super::answer_to(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
