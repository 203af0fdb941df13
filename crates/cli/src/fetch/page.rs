//! One page: it is fetched, and what was asked for is looked for in it.

use std::sync::Arc;
use std::time::Instant;

use regex::Regex;
use serde::{Deserialize, Serialize};
use switchboard_fetch::encoding::{self, ContentType};
use switchboard_fetch::{Client, Error};

use super::list::Page;
use super::progress::Progress;
use super::request::Template;
use super::select::Selector;

/// What is wanted of each page.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) request: Template,
    pub(super) select: Option<Arc<Selector>>,
    /// Of the selected element, instead of its text.
    pub(super) attribute: Option<String>,
    pub(super) extract: Option<Regex>,
    pub(super) max_size: usize,
    pub(super) keeps_body: bool,
}

/// What became of a page; what is not known is `None`.
#[derive(Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) final_url: Option<String>,
    pub(super) status: Option<u16>,
    /// The field `Content-Type`.
    pub(super) kind: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) seconds: f64,
    pub(super) outcome: Outcome,
    /// The page, if it is to be written.
    #[serde(with = "as_text")]
    pub(super) body: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It was fetched, and nothing was looked for.
    Page,
    Match(String),
    NoMatch,
    Failed {
        phase: String,
        cause: String,
    },
}

impl Found {
    pub(super) fn failed(phase: &str, cause: String) -> Found {
        Found {
            final_url: None,
            status: None,
            kind: None,
            encoding: None,
            bytes: None,
            seconds: 0.0,
            outcome: Outcome::Failed {
                phase: phase.to_owned(),
                cause,
            },
            body: Vec::new(),
        }
    }

    /// Makes the page one that has failed.
    pub(super) fn fail(&mut self, phase: &str, cause: String) {
        self.outcome = Outcome::Failed {
            phase: phase.to_owned(),
            cause,
        };
    }
}

/// Fetches a page. `progress` is told of its bytes as they come, if it is given.
pub(super) async fn fetch(
    client: &Client,
    page: &Page,
    wanted: &Wanted,
    progress: Option<Progress>,
) -> Found {
    let started = Instant::now();
    let mut found = Found::failed("", String::new());
    match read(client, page, wanted, progress, &mut found).await {
        Ok(outcome) => found.outcome = outcome,
        Err(error) => {
            let cause = error.to_string();
            let phase = error.phase().to_string();
            let cause = cause.strip_prefix(&format!("{phase}: ")).unwrap_or(&cause);
            found.fail(&phase, without_password(page, cause));
        }
    }
    found.seconds = started.elapsed().as_secs_f64();
    found
}

async fn read(
    client: &Client,
    page: &Page,
    wanted: &Wanted,
    progress: Option<Progress>,
    found: &mut Found,
) -> Result<Outcome, Error> {
    let mut response = client
        .send(wanted.request.request(page.url.as_str()))
        .await?;
    let status = response.status();
    found.final_url = Some(response.url().to_owned());
    found.status = Some(status.as_u16());
    let field = response.headers().get("content-type");
    found.kind = field.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
    let kind = ContentType::of(response.headers());
    if let Some(progress) = progress {
        response = response.on_bytes(move |bytes| progress.bytes(bytes as u64));
    }
    let body = response.bytes(wanted.max_size).await?;
    found.bytes = Some(body.len() as u64);
    let encoding = encoding::sniff(kind.as_ref(), &body).encoding;
    found.encoding = Some(encoding.name().to_owned());
    if !status.is_success() {
        let (phase, cause) = ("status".to_owned(), status.to_string());
        return Ok(Outcome::Failed { phase, cause });
    }
    let outcome = wanted.look(kind.as_ref(), &body);
    if wanted.keeps_body {
        found.body = body;
    }
    Ok(outcome)
}

impl Wanted {
    fn look(&self, kind: Option<&ContentType>, body: &[u8]) -> Outcome {
        if self.select.is_none() && self.extract.is_none() {
            return Outcome::Page;
        }
        let mut text = encoding::decode(kind, body);
        if let Some(selector) = &self.select {
            match selector.first(&text, self.attribute.as_deref()) {
                None => return Outcome::NoMatch,
                Some(selected) => text = selected.into(),
            }
        }
        let Some(regex) = &self.extract else {
            return Outcome::Match(text.into_owned());
        };
        match regex.captures(&text) {
            None => Outcome::NoMatch,
            Some(found) => {
                let shown = found.get(1).or_else(|| found.get(0));
                Outcome::Match(shown.map_or("", |shown| shown.as_str()).to_owned())
            }
        }
    }
}

/// Returns the cause of a failure, which may name the page's URL, without the page's password.
fn without_password(page: &Page, cause: &str) -> String {
    match page.url.password() {
        Some(password) if !password.is_empty() => cause.replace(password, "***"),
        _ => cause.to_owned(),
    }
}

/// Bytes as a text of as many characters, since results of processes come as JSON, where a list of numbers is four
/// times as long.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        to.serialize_str(&text)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |c| u8::try_from(c).map_err(serde::de::Error::custom);
        text.chars().map(byte).collect()
    }
}
