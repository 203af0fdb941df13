//! The answer to a request that is refused.

use std::io;

use switchboard_runtime as runtime;

use super::buffers::{Input, Output};
use super::burst::After;
use super::transport::Transport;
use super::wire::{Failure, Wire};
use crate::h1::Refusal;
use crate::h1::encode::{BodyLength, Persistence, response_head};

/// Tells the client why its connection ends, if an answer is due, and returns the error.
pub(super) async fn refuse<T: Transport>(
    wire: &mut Wire<T>,
    input: &mut Input,
    out: &mut Output,
    failure: Failure,
) -> io::Result<After> {
    if let Failure::Refused(refusal, _) = &failure {
        error_answer(out.buffer(), refusal);
    }
    wire.flush(out, input).await?;
    if matches!(failure, Failure::Refused(..)) {
        wire.linger().await;
    }
    Err(failure.into_error())
}

fn error_answer(out: &mut Vec<u8>, refusal: &Refusal) {
    let text = format!("{}\n", refusal.reason);
    let mut headers = http::HeaderMap::new();
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(http::header::CONTENT_TYPE, kind);
    let length = BodyLength::Exact(text.len() as u64);
    let now = runtime::now();
    response_head(
        out,
        refusal.status,
        &headers,
        length,
        Persistence::Close,
        now,
    );
    out.extend_from_slice(text.as_bytes());
}
