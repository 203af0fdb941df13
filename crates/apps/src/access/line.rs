//! One line of the log.

use std::fmt::Write;
use std::time::{Instant, SystemTime};

use http::header::{HeaderMap, HeaderName, REFERER, USER_AGENT};
use http::{Method, Uri, Version};
use serde::Serialize;
use switchboard_http::Request;
use switchboard_net::Addr;

use super::User;
use crate::date::{common_log, timestamp};
use crate::proxy::Passed;

/// The status that is logged for a client that hung up before it was answered, as nginx has it.
const HUNG_UP: u16 = 499;

/// What a request has said.
pub(super) struct Heard {
    at: SystemTime,
    start: Instant,
    peer: String,
    pub(super) user: Option<User>,
    method: Method,
    target: String,
    version: Version,
    referer: Option<String>,
    user_agent: Option<String>,
    pub(super) passed: Option<Passed>,
}

impl Heard {
    pub(super) fn of(peer: Option<&Addr>, request: &Request) -> Heard {
        let peer = match peer.map(|peer| (peer, peer.as_tcp())) {
            Some((_, Some(tcp))) => tcp.ip().to_string(),
            Some((peer, None)) => peer.to_string(),
            None => "-".to_owned(),
        };
        let field = |name| field(request.headers(), name);
        Heard {
            at: SystemTime::now(),
            start: Instant::now(),
            peer,
            user: None,
            method: request.method().clone(),
            target: target(request.uri(), request.version()),
            version: request.version(),
            referer: field(REFERER),
            user_agent: field(USER_AGENT),
            passed: None,
        }
    }

    /// Returns the user; names may be empty, which says nothing.
    fn user(&self) -> Option<&str> {
        let user = self.user.as_ref().map(|User(name)| &**name);
        user.filter(|name| !name.is_empty())
    }

    pub(super) fn combined(
        &self,
        status: Option<u16>,
        (bytes, _): (u64, bool),
        received: Option<u64>,
    ) -> String {
        let text = |text: &Option<String>| escape(text.as_deref().unwrap_or("-"));
        let mut line = format!(
            "{} - {} [{}] \"{} {} {:?}\" {} {bytes} \"{}\" \"{}\"",
            escape(&self.peer),
            self.user().map_or_else(|| "-".to_owned(), one_word),
            common_log(self.at),
            self.method,
            escape(&self.target),
            self.version,
            status.unwrap_or(HUNG_UP),
            text(&self.referer),
            text(&self.user_agent),
        );
        if let Some(passed) = &self.passed {
            // Writing to a string never fails.
            let _ = write!(line, " {passed}");
        }
        if let Some(received) = received {
            let _ = write!(line, " {received}");
        }
        line
    }

    pub(super) fn json(
        &self,
        status: Option<u16>,
        (bytes, whole): (u64, bool),
        received: Option<u64>,
    ) -> String {
        let end = match (status, whole) {
            (None, _) => "unanswered",
            (Some(_), true) => "whole",
            (Some(_), false) => "cut",
        };
        let line = JsonLine {
            time: timestamp(self.at),
            peer: &self.peer,
            user: self.user(),
            method: self.method.as_str(),
            path: &self.target,
            protocol: format!("{:?}", self.version),
            status: status.unwrap_or(HUNG_UP),
            bytes,
            received,
            seconds: self.start.elapsed().as_secs_f64(),
            end,
            referer: self.referer.as_deref(),
            user_agent: self.user_agent.as_deref(),
            passed: self.passed.as_ref().map(|passed| JsonPassed {
                back_end: &passed.back_end,
                waited: passed.waited.as_secs_f64(),
                took: passed.took.as_secs_f64(),
                tries: passed.tries,
            }),
        };
        // Strings and numbers can always be written.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    time: String,
    peer: &'a str,
    user: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    protocol: String,
    status: u16,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    seconds: f64,
    end: &'static str,
    referer: Option<&'a str>,
    user_agent: Option<&'a str>,
    #[serde(flatten)]
    passed: Option<JsonPassed<'a>>,
}

#[derive(Serialize)]
struct JsonPassed<'a> {
    back_end: &'a str,
    waited: f64,
    took: f64,
    tries: u32,
}

/// Returns what a request asks for, as the client has written it. HTTP/2 has the scheme and the host apart, and
/// they are in the URI all the same.
fn target(uri: &Uri, version: Version) -> String {
    match uri.path_and_query() {
        Some(path) if version >= Version::HTTP_2 => path.to_string(),
        _ => uri.to_string(),
    }
}

/// Returns a field's value, in which bytes that are not UTF-8 are replaced.
fn field(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Escapes spaces too, which end a part of a line that has no quotes.
fn one_word(text: &str) -> String {
    escape(text).replace(' ', "\\x20")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => escaped.push(byte.into()),
            // Writing to a string never fails.
            _ => drop(write!(escaped, "\\x{byte:02X}")),
        }
    }
    escaped
}
