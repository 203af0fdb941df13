//! The request that is sent for each page, and the client that sends it.

use std::io::Read;
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use switchboard_fetch::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_fetch::{Client, Limits, Method, Proxies, Request, Retries};

/// How pages are asked for.
#[derive(Args)]
pub(super) struct RequestOptions {
    /// Field of the requests, `NAME: VALUE`, in place of the one that would be sent; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Method of the requests [default: GET, or POST with --data]
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Body of the requests, as a form's unless a --header says otherwise; @FILE for that of a file, @- for stdin
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// Speak HTTP/1.0
    #[arg(long = "http1.0")]
    http10: bool,
    /// Times that a request is sent again, after pauses, where the server cannot be reached or is busy
    #[arg(long, default_value_t = 0, value_name = "N")]
    retries: u32,
    /// Redirects to follow in a row, at most
    #[arg(long, default_value_t = 10, value_name = "N")]
    max_redirects: usize,
    /// Bytes to receive in a second, at most, of all pages together: 500k, 2M
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    limit_rate: Option<NonZeroU64>,
    /// Keep the cookies of servers, and send them back; under `processes`, those of each page alone
    #[arg(long)]
    cookies: bool,
}

/// What all requests have in common.
#[derive(Clone)]
pub(super) struct Template {
    method: Method,
    headers: HeaderMap,
    body: Vec<u8>,
    http10: bool,
}

impl RequestOptions {
    /// Returns what requests have in common.
    ///
    /// # Errors
    /// What is wrong with an option, in one line.
    pub(super) fn template(&self) -> Result<Template, String> {
        let mut headers = HeaderMap::new();
        for field in &self.headers {
            let (name, value) = header(field)?;
            headers.append(name, value);
        }
        let body = self.data.as_deref().map(data).transpose()?;
        if body.is_some() && !headers.contains_key(CONTENT_TYPE) {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
        }
        let method = match &self.method {
            None if body.is_some() => Method::POST,
            None => Method::GET,
            Some(name) => {
                let method = Method::from_bytes(name.as_bytes());
                method.map_err(|_| format!("--method `{name}` is no method"))?
            }
        };
        Ok(Template {
            method,
            headers,
            body: body.unwrap_or_default(),
            http10: self.http10,
        })
    }

    /// Returns the client, which waits for each step of a request no longer than `limit`.
    ///
    /// # Errors
    /// What is wrong with the proxies of the environment, in one line.
    pub(super) fn client(&self, limit: Duration, roots: Option<Vec<u8>>) -> Result<Client, String> {
        let limits = Limits {
            resolve: limit,
            connect: limit,
            tls: limit,
            first_byte: limit,
            body: limit,
            redirects: self.max_redirects,
            ..Limits::default()
        };
        let retries = Retries {
            most: self.retries,
            ..Retries::default()
        };
        let proxies = Proxies::from_env().map_err(|error| error.to_string())?;
        let mut builder = Client::builder()
            .limits(limits)
            .retries(retries)
            .proxies(proxies);
        if let Some(roots) = roots {
            builder = builder.roots(roots);
        }
        if self.cookies {
            builder = builder.cookies();
        }
        if let Some(rate) = self.limit_rate {
            builder = builder.limit_rate(rate);
        }
        Ok(builder.build())
    }
}

impl Template {
    /// Returns the request for a page.
    pub(super) fn request(&self, url: &str) -> Request {
        let mut request = Request::new(self.method.clone(), url).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name.clone(), value.clone());
        }
        match self.http10 {
            true => request.http10(),
            false => request,
        }
    }
}

/// Reads a field.
fn header(field: &str) -> Result<(HeaderName, HeaderValue), String> {
    // A wrong field may hold a secret.
    let (name, value) = field
        .split_once(':')
        .ok_or("--header is not of the form `NAME: VALUE`")?;
    let wrong = |what| format!("--header `{name}`: {what}");
    let parsed = HeaderName::from_bytes(name.trim().as_bytes());
    let parsed = parsed.map_err(|_| wrong("this is no name of a field"))?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes());
    let value = value.map_err(|_| wrong("its value has a character that fields have not"))?;
    Ok((parsed, value))
}

/// Returns the body that `--data` names.
fn data(text: &str) -> Result<Vec<u8>, String> {
    let Some(path) = text.strip_prefix('@') else {
        return Ok(text.as_bytes().to_vec());
    };
    let mut bytes = Vec::new();
    let read = match path {
        "-" => std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes),
        path => std::fs::read(path),
    };
    read.map_err(|error| format!("--data {text}: {error}"))
}

/// Reads a number of bytes a second.
fn rate(text: &str) -> Result<NonZeroU64, String> {
    let (number, unit) = match text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']) {
        None => (text, 1),
        Some(number) => match text.to_ascii_lowercase().chars().next_back() {
            Some('k') => (number, 1 << 10),
            Some('m') => (number, 1 << 20),
            _ => (number, 1 << 30),
        },
    };
    let number = number
        .parse::<u64>()
        .ok()
        .and_then(|it| it.checked_mul(unit));
    let number = number.and_then(NonZeroU64::new);
    number.ok_or_else(|| "not a number of bytes: write it as 500000, 500k or 2M".to_owned())
}
