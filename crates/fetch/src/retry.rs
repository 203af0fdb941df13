//! Retries: when a request is sent again, and after which pause.

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, RETRY_AFTER};

use crate::error::{Error, Phase};
use crate::request::Request;
use crate::response::ClientResponse;

/// How often a client sends a request again, and how long it pauses before.
///
/// Only requests are repeated that do the same when they are sent twice (GET, HEAD, PUT, DELETE …), after an error of
/// looking up, connecting, a proxy or the wait for the head, and after the statuses 408, 429, 500, 502, 503 and 504. An
/// error within the body is the caller's. The pause before the `n`th retry is a random one of up to `first` × 2ⁿ⁻¹, so
/// that clients which failed together do not come back together ("full jitter"); or what the server asks for by
/// `Retry-After`.
///
/// ```
/// use switchboard_fetch::{Client, Retries};
///
/// let retries = Retries { most: 3, ..Retries::default() };
/// let client = Client::builder().retries(retries).build();
/// # drop(client);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// The most retries of a request; 0 by default.
    pub most: u32,
    /// The longest pause before the first retry; twice as long before each further one.
    pub first: Duration,
    /// The longest pause of all.
    pub longest: Duration,
    /// The longest pause that a server gets by `Retry-After`: longer ones are cut to it.
    pub longest_asked: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            most: 0,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            longest_asked: Duration::from_secs(60),
        }
    }
}

impl Retries {
    /// Returns the pause before the next attempt, after `tried` retries; `None` if the result stands.
    pub(crate) fn pause(
        &self,
        tried: u32,
        request: &Request,
        result: &Result<ClientResponse, Error>,
    ) -> Option<Duration> {
        if tried >= self.most || !request.is_idempotent() {
            return None;
        }
        let headers = match result {
            Ok(response) => match response.status().as_u16() {
                408 | 429 | 500 | 502..=504 => Some(response.headers()),
                _ => return None,
            },
            Err(error) => match error.phase() {
                Phase::Resolve | Phase::Connect | Phase::Proxy | Phase::FirstByte => None,
                Phase::Url | Phase::Tls | Phase::Body | Phase::Decode => return None,
            },
        };
        let asked = headers.and_then(|headers| retry_after(headers, SystemTime::now()));
        Some(match asked {
            Some(asked) => asked.min(self.longest_asked),
            None => self.back_off(tried, fastrand::f64()),
        })
    }

    /// Returns a part of the longest pause before the retry after `tried` ones.
    fn back_off(&self, tried: u32, part: f64) -> Duration {
        let longest = self.first.saturating_mul(2u32.saturating_pow(tried));
        longest.min(self.longest).mul_f64(part)
    }
}

/// Returns how long a server asks its client to wait, by seconds or by a date, seen from `now`. A date that has passed, and
/// what is neither, are `None`: then the pause is the client's to choose.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use switchboard_fetch::header::{HeaderMap, RETRY_AFTER};
/// use switchboard_fetch::retry_after;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(RETRY_AFTER, "120".parse().unwrap());
/// assert_eq!(retry_after(&headers, SystemTime::now()), Some(Duration::from_secs(120)));
/// headers.insert(RETRY_AFTER, "Thu, 01 Jan 1970 00:00:10 GMT".parse().unwrap());
/// assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(10)));
/// assert_eq!(retry_after(&headers, SystemTime::now()), None);
/// ```
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a number holds are as many as one does.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let pause = date.duration_since(now).ok()?;
    Some(pause).filter(|pause| !pause.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(
            &headers,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        )
    }

    #[test]
    fn retry_after_is_seconds_a_date_or_nothing() {
        for (text, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            // The same moment, and the past.
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("12 seconds", None),
        ] {
            assert_eq!(asked(text), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn the_longest_pause_doubles_up_to_its_bound() {
        let retries = Retries {
            first: Duration::from_millis(100),
            longest: Duration::from_millis(350),
            ..Retries::default()
        };
        let longest = |tried| retries.back_off(tried, 1.0).as_millis();
        assert_eq!([0, 1, 2, 90].map(longest), [100, 200, 350, 350]);
        assert_eq!(retries.back_off(1, 0.25), Duration::from_millis(50));
        assert_eq!(retries.back_off(1, 0.0), Duration::ZERO);
    }
}
