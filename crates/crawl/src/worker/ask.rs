//! One request, and what came of it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use switchboard_fetch::encoding::{self, ContentType};
use switchboard_fetch::{Client, Error, Limits, Phase, Request, retry_after};

use super::{Page, Watch, Worker};
use crate::address::Address;
use crate::error::CrawlError;
use crate::job::End;
use crate::links::Directives;
use crate::output::{Answer, Fetched, Truncated};
use crate::settings::Settings;
use crate::store::Entry;

/// Makes the client of all workers, which neither follows redirects nor tries again by itself.
///
/// # Errors
/// [`CrawlError::Settings`] for a User-Agent that no head can have.
pub(crate) fn client(settings: &Settings) -> Result<Client, CrawlError> {
    let limits = Limits {
        resolve: settings.timeout,
        connect: settings.timeout,
        tls: settings.timeout,
        first_byte: settings.timeout,
        body: settings.timeout,
        // A body that never ends comes in pieces, each of them in time.
        total: Some(settings.timeout.saturating_mul(20)),
        idle: settings.concurrency,
        ..Limits::default()
    };
    let agent = HeaderValue::from_str(&settings.user_agent);
    let agent = agent.map_err(|_| {
        CrawlError::settings("the User-Agent has characters that no head may have: use plain text")
    })?;
    let client = Client::builder().limits(limits).user_agent(agent);
    Ok(match &settings.extra_roots {
        Some(pem) => client.roots(pem.clone()).build(),
        None => client.build(),
    })
}

/// What came of a request.
#[derive(Default)]
pub(super) struct Asked {
    answer: Option<Answer>,
    request: Bytes,
    peer: Option<SocketAddr>,
    /// The time for which the host wants to be left alone.
    pause: Option<Duration>,
    error: Option<Error>,
}

impl Worker {
    /// Sends one request, and reads as many bytes of the answer's body, decoded, as `limit` says.
    pub(super) async fn request(
        &self,
        address: &Address,
        limit: impl Fn(&Answer) -> usize,
        watch: Option<Watch>,
    ) -> Asked {
        let request = Request::get(address.as_str()).redirects(0);
        let request = if self.rows {
            request.keep_heads()
        } else {
            request
        };
        let request = match watch {
            Some(watch) => request.before_send(move || watch.send()),
            None => request,
        };
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => {
                return Asked {
                    error: Some(error),
                    ..Asked::default()
                };
            }
        };
        let fields = response.headers().iter();
        let fields = fields
            .map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes())));
        let mut answer = Answer {
            version: response.version(),
            status: response.status().as_u16(),
            reason: String::new(),
            fields: fields.collect(),
            body: Bytes::new(),
            received: None,
            truncated: None,
        };
        let mut asked = Asked {
            peer: response.peer_addr(),
            pause: retry_after(response.headers(), SystemTime::now()),
            ..Asked::default()
        };
        if let Some(heads) = response.heads() {
            asked.request = heads.sent.clone().into();
            (answer.reason, answer.fields) = head(&heads.received);
        }
        let content = response.content(limit(&answer)).await;
        answer.truncated = match &content.fault {
            _ if content.is_cut => Some(Truncated::Length),
            Some(fault) if fault.phase() == Phase::Body => Some(Truncated::Disconnect),
            _ => None,
        };
        let coded = content.received.as_ptr() != content.decoded.as_ptr();
        answer.received = coded.then_some(content.received);
        answer.body = content.decoded;
        asked.answer = Some(answer);
        asked.error = content.fault;
        asked
    }
}

impl Asked {
    pub(super) fn body(&self) -> &[u8] {
        self.answer.as_ref().map_or(&[], |answer| &answer.body)
    }

    /// Returns the body as text, in the encoding that the HTML standard finds.
    pub(super) fn text(&self) -> Cow<'_, str> {
        let kind = self.field("content-type").and_then(ContentType::parse);
        encoding::decode(kind.as_ref(), self.body())
    }

    /// Whether a field of the head asks that no link of the page is followed.
    pub(super) fn is_nofollow(&self) -> bool {
        let mut fields = self.answer.iter().flat_map(|answer| &answer.fields);
        fields.any(|(name, value)| {
            let text = str::from_utf8(value).unwrap_or_default();
            name.eq_ignore_ascii_case("x-robots-tag") && Directives::of(text).no_follow
        })
    }

    /// Whether the body is cut, since it is longer than wanted.
    pub(super) fn is_cut(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|it| it.truncated == Some(Truncated::Length))
    }

    /// Returns the fragment that a redirect leads to.
    pub(super) fn fragment(&self, address: &Address) -> Option<String> {
        let location = self.answer.as_ref()?.field("location")?;
        Address::join(&address.url(), &location_text(location))
            .ok()?
            .1
    }

    /// Returns a field of the answer's head as text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let value = self.answer.as_ref()?.field(name)?;
        std::str::from_utf8(value).ok()
    }

    /// Returns how the request for `address` has ended. What `may_be_cut` is good also if its body is too long.
    pub(super) fn end(&self, address: &Address, may_be_cut: bool) -> End {
        let status = self.answer.as_ref().map_or(0, |answer| answer.status);
        let moved = matches!(status, 301 | 302 | 303 | 307 | 308);
        let location = self
            .answer
            .as_ref()
            .and_then(|answer| answer.field("location"));
        if let (true, Some(location)) = (moved, location) {
            // The body of a redirect says nothing, be it whole or not.
            let to = Address::join(&address.url(), &location_text(location));
            let to = to.map(|(to, _)| to).map_err(|error| error.to_string());
            return End::Moved { status, to };
        }
        match &self.error {
            None if self.is_cut() && !may_be_cut => End::Failed {
                status,
                cause: "too long: the page has more bytes than --max-size".to_owned(),
                unreachable: false,
                again: false,
            },
            None => End::Answered {
                status,
                retry_after: self.pause,
                text: None,
            },
            Some(error) => {
                let phase = error.phase();
                End::Failed {
                    status,
                    cause: error.to_string(),
                    unreachable: matches!(phase, Phase::Resolve | Phase::Connect),
                    again: !matches!(phase, Phase::Url | Phase::Decode),
                }
            }
        }
    }

    /// Returns the row of a page. The keeper knows its number, its fate and the cause.
    pub(super) fn row(self, entry: &Entry, started: (SystemTime, Instant), page: &Page) -> Fetched {
        Fetched {
            seq: 0,
            address: entry.address.clone(),
            depth: entry.depth,
            parent: entry.parent.clone(),
            started: started.0,
            took: started.1.elapsed(),
            peer: self.peer,
            request: self.request,
            answer: self.answer,
            fate: "",
            cause: None,
            title: page.title.clone(),
            links: page.found,
        }
    }
}

/// Returns the reason and the fields of an answer's head, as they were sent.
fn head(bytes: &[u8]) -> (String, Vec<(String, Bytes)>) {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let first = lines.next().unwrap_or_default();
    let reason = first
        .splitn(3, |byte| *byte == b' ')
        .nth(2)
        .unwrap_or_default();
    let mut fields: Vec<(String, Bytes)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':');
        match (colon, fields.last_mut()) {
            // A line that is folded goes on with the field before it.
            (_, Some((_, value))) if line[0].is_ascii_whitespace() => {
                *value = [&value[..], b" ", line.trim_ascii()].concat().into();
            }
            (Some(colon), _) => {
                let name = String::from_utf8_lossy(line[..colon].trim_ascii()).into_owned();
                fields.push((name, Bytes::copy_from_slice(line[colon + 1..].trim_ascii())));
            }
            (None, _) => {}
        }
    }
    (String::from_utf8_lossy(reason).into_owned(), fields)
}

/// Returns a `Location` as browsers read it: bytes that are not ASCII are percent-encoded one by one.
fn location_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte.is_ascii() {
            true => text.push(char::from(*byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
