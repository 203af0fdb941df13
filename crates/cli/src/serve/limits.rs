//! The limits of services that speak HTTP.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use switchboard_http::{HttpServer, ServerLimits};

use super::options::seconds;

#[derive(Clone, Args)]
#[command(next_help_heading = "Limits of HTTP")]
pub(crate) struct LimitOptions {
    /// Seconds in which a request's head must come, from its first byte or from the start of the connection. A
    /// client that is slower is answered with 408
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    head_timeout: Duration,
    /// The most bytes of a request's head; 431 if it has more. In HTTP/2 it has 16384 at most, and each field
    /// counts 32 bytes more
    #[arg(long, default_value_t = 64 * 1024, value_name = "BYTES", value_parser = RangedU64ValueParser::<usize>::new().range(64..))]
    max_head: usize,
    /// The most fields of a request's head; 431 if it has more
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_fields: usize,
    /// The most bytes of a request's URI; 414 if it has more
    #[arg(long, default_value_t = 8 * 1024, value_name = "BYTES", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_uri: usize,
    /// The most bytes of a request's body; 413 if it has more [default: no limit]
    #[arg(long, value_name = "BYTES")]
    max_body: Option<u64>,
    /// Seconds between two pieces of a request's body that is waited for; 408 if there are more
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    upload_timeout: Duration,
    /// Seconds in which a client must take some bytes of its answer
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    send_timeout: Duration,
    /// The least bytes a second of a request's body and of an answer, on average over the time in which the
    /// client is waited for; 0 for no limit
    #[arg(long, default_value_t = 1024, value_name = "BYTES")]
    min_rate: u64,
    /// Seconds of waiting for which --min-rate does not count
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    rate_grace: Duration,
    /// Seconds that a connection may wait for its next request
    #[arg(long, default_value = "75", value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    keep_alive_timeout: Duration,
    /// The most requests of a connection; 0 for no limit
    #[arg(long, default_value_t = 1000, value_name = "N")]
    max_requests: u64,
}

impl LimitOptions {
    /// The time in which the first bytes of a client must have come.
    pub(super) fn first_bytes(&self) -> Duration {
        self.head_timeout
    }

    pub(super) fn http(&self) -> HttpServer {
        HttpServer::new(ServerLimits {
            head_time: self.head_timeout,
            head_bytes: self.max_head,
            fields: self.max_fields,
            uri_bytes: self.max_uri,
            body_bytes: self.max_body.unwrap_or(u64::MAX),
            body_idle: self.upload_timeout,
            write_idle: self.send_timeout,
            min_rate: self.min_rate,
            rate_grace: self.rate_grace,
            keep_alive_idle: self.keep_alive_timeout,
            requests: match self.max_requests {
                0 => u64::MAX,
                most => most,
            },
            ..ServerLimits::default()
        })
    }
}
