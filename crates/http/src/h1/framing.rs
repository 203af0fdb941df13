//! Where a message ends (RFC 9112, section 6), and whether the connection goes on after it.

use http::{StatusCode, Version};

use super::Refusal;

/// The length of a message's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// What the fields of a head say about the message and its connection.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    host: bool,
    content_length: Option<u64>,
    transfer_encoding: Option<Coding>,
    /// Options of `connection`.
    close: bool,
    keep_alive: bool,
    pub(crate) expects_continue: bool,
    /// Whether another protocol is asked for.
    pub(crate) upgrades: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// Others, of which the last is `chunked`.
    OthersChunked,
    Others,
}

impl Fields {
    /// Notes one field of a request.
    #[inline]
    pub(crate) fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        // Most fields are told apart by the length of their name.
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => self.note_host(value),
            6 if is("expect") => self.note_expect(value),
            7 if is("upgrade") => {
                self.upgrades = true;
                Ok(())
            }
            10 if is("connection") => {
                self.note_connection(value);
                Ok(())
            }
            14 if is("content-length") => self.note_length(value),
            17 if is("transfer-encoding") => self.note_coding(value),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.host, true) {
            return Err(Refusal::bad("more than one Host field"));
        }
        match is_host(value) {
            true => Ok(()),
            false => Err(Refusal::bad("a Host that is no host")),
        }
    }

    fn note_expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            let reason = "an expectation other than 100-continue";
            return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, reason));
        }
        self.expects_continue = true;
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Returns whether a field is a length that was noted already.
    pub(crate) fn repeats_length(&self, name: &str, value: &[u8]) -> bool {
        self.content_length.is_some()
            && name.eq_ignore_ascii_case("content-length")
            && parse_length(value) == self.content_length
    }

    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let Some(length) = parse_length(value) else {
            return Err(Refusal::bad("a Content-Length that is no number"));
        };
        match self.content_length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::bad("more than one Content-Length")),
        }
    }

    fn note_coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let last = value.rsplit(|byte| *byte == b',').next().unwrap_or(value);
        let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        let coding = match (chunked, last.len() == value.len()) {
            (true, true) => Coding::Chunked,
            (true, false) => Coding::OthersChunked,
            (false, _) => Coding::Others,
        };
        match self.transfer_encoding.replace(coding) {
            None => Ok(()),
            Some(_) => Err(Refusal::bad("more than one Transfer-Encoding")),
        }
    }

    /// Returns the framing of a request.
    pub(crate) fn request_framing(&self, version: Version) -> Result<Framing, Refusal> {
        let old = version == Version::HTTP_10;
        if !self.host && !old {
            return Err(Refusal::bad("no Host field"));
        }
        let Some(coding) = self.transfer_encoding else {
            return Ok(Framing::Length(self.content_length.unwrap_or(0)));
        };
        match coding {
            _ if self.content_length.is_some() => {
                Err(Refusal::bad("Content-Length and Transfer-Encoding at once"))
            }
            _ if old => Err(Refusal::bad("a Transfer-Encoding in HTTP/1.0")),
            Coding::Chunked => Ok(Framing::Chunked),
            Coding::OthersChunked => {
                let reason = "a transfer coding other than chunked";
                Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, reason))
            }
            Coding::Others => Err(Refusal::bad(
                "a Transfer-Encoding that does not end in chunked",
            )),
        }
    }

    /// Returns the framing of an answer to a request, which may be one for the head alone; `None` for a body
    /// that ends with the connection. Other codings than chunked are refused, because nobody takes them off.
    pub(crate) fn answer_framing(
        &self,
        status: StatusCode,
        head: bool,
    ) -> Result<Option<Framing>, Refusal> {
        let is_empty = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if head || is_empty {
            return Ok(Some(Framing::Length(0)));
        }
        match self.transfer_encoding {
            // A length beside it says nothing (RFC 9112, section 6.3).
            Some(Coding::Chunked) => Ok(Some(Framing::Chunked)),
            Some(_) => Err(Refusal::bad("a transfer coding other than chunked")),
            None => Ok(self.content_length.map(Framing::Length)),
        }
    }

    /// Returns whether an answer has two lengths, or a transfer coding that its version or its reader does not know, so
    /// that its end may be another one for others.
    pub(crate) fn is_ambiguous(&self, version: Version) -> bool {
        self.transfer_encoding.is_some_and(|coding| {
            coding != Coding::Chunked
                || self.content_length.is_some()
                || version == Version::HTTP_10
        })
    }

    /// Returns whether the connection may carry another message after this one.
    pub(crate) fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::HTTP_10 => self.keep_alive && !self.close,
            _ => !self.close,
        }
    }
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

/// Whether a registered name or an IPv4 address has no such byte. A comma would be allowed, but looks like a
/// list.
const NOT_IN_A_HOST: [bool; 256] = {
    let mut table = [true; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;=";
    let mut at = 0;
    while at < allowed.len() {
        table[allowed[at] as usize] = false;
        at += 1;
    }
    table
};

/// Returns whether `value` is a host, and perhaps a port. It may be empty.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let mut host = value;
    // A port is short, so it is looked for from the end.
    for (at, byte) in value.iter().enumerate().rev().take("65535:".len()) {
        match byte {
            b'0'..=b'9' => {}
            b':' => {
                host = &value[..at];
                break;
            }
            _ => break,
        }
    }
    if host.first() == Some(&b'[') {
        return is_ipv6(host);
    }
    !host
        .iter()
        .fold(false, |bad, byte| bad | NOT_IN_A_HOST[*byte as usize])
}

#[cold]
fn is_ipv6(host: &[u8]) -> bool {
    let address = host
        .strip_prefix(b"[")
        .and_then(|host| host.strip_suffix(b"]"));
    let address = address.and_then(|address| std::str::from_utf8(address).ok());
    address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)]) -> Result<Framing, Refusal> {
        let mut noted = Fields::default();
        for (name, value) in [("Host", "here")].iter().chain(fields) {
            noted.note(name, value.as_bytes())?;
        }
        noted.request_framing(Version::HTTP_11)
    }

    #[test]
    fn a_request_ends_where_its_fields_say() {
        assert_eq!(framing(&[]), Ok(Framing::Length(0)));
        assert_eq!(
            framing(&[("content-LENGTH", "12")]),
            Ok(Framing::Length(12))
        );
        assert_eq!(
            framing(&[("Transfer-Encoding", "Chunked")]),
            Ok(Framing::Chunked)
        );
    }

    #[test]
    fn ambiguous_lengths_are_refused() {
        let length = |value| ("Content-Length", value);
        let coding = |value| ("Transfer-Encoding", value);
        for fields in [
            &[length("5"), length("5")][..],
            &[length("5"), length("6")],
            &[length("5, 5")],
            &[length("+5")],
            &[length("")],
            &[length("0x5")],
            &[length("18446744073709551616")],
            &[length("5"), coding("chunked")],
            &[coding("chunked"), length("5")],
            &[coding("chunked"), coding("chunked")],
            &[coding("chunked, gzip")],
            &[coding("chunked;a=b")],
            &[coding("xchunked")],
            &[coding("identity")],
            &[coding("")],
        ] {
            let refused = framing(fields).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{fields:?}");
        }
        let refused = framing(&[coding("gzip, chunked")]).unwrap_err();
        assert_eq!(refused.status, StatusCode::NOT_IMPLEMENTED);
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in [
            "",
            "here",
            "a.b-c_d",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "here:",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b", "a/b", "a@b", "a,b", "a:b", "a:1:2", "[::1", "[a]", "[]", "[::1]80", "a#",
            "a?b", "a:123456", "h\u{e9}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
