//! One request: a back end, a connection to it, its answer; and another try where that is safe.

use std::io;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use switchboard_http::{
    Body, ClientConnection, ExchangeError, ExchangeLimits, ExchangePhase, RequestHead, Response,
};
use switchboard_net::DescriptorLimit;
use switchboard_runtime as runtime;

use super::fields::{self, Peer};
use super::passing::Passing;
use super::refused::Refused;
use super::upgrade::switch;
use super::{Passed, given_host};
use crate::proxy::backend::{Backend, Busy};
use crate::proxy::pool::{ATTEMPTS, Pool};
use crate::proxy::setup::Setup;

/// A request that is to be passed on.
pub(super) struct Job<'a> {
    pub(super) setup: &'a Setup,
    pub(super) pool: Arc<Pool>,
    pub(super) head: &'a Parts,
    pub(super) peer: &'a Peer,
    /// The name of this proxy in `Via`.
    pub(super) name: &'a str,
    /// The protocols that the client would go on with, if it has asked for any.
    pub(super) protocols: Option<Vec<u8>>,
    /// Whether the answer says how it was passed on.
    pub(super) tells: bool,
    pub(super) key: u64,
}

/// Passes a request on, to another back end if connecting fails. A request that a waiting connection has lost is
/// sent once more if nothing can come of that.
pub(super) async fn forward(job: &Job<'_>, body: Body) -> Result<Response<Body>, Refused> {
    let pool = &job.pool;
    let can_repeat = body.length() == Some(0) && job.head.method.is_idempotent();
    pool.budget.request();
    let began = runtime::now();
    let mut tries = 0;
    let mut body = Some(body);
    let mut tried: Vec<Arc<Backend>> = Vec::new();
    let (mut reuses, mut last) = (true, None);
    let mut queue = pool.settings().queue_timeout;
    while tried.len() < ATTEMPTS {
        let Some(backend) = pool.choose(job.key, &tried) else {
            break;
        };
        tries += 1;
        let busy = match backend.enter(&mut queue).await {
            Ok(busy) => busy,
            Err(error) => {
                let text = format!("back end {backend}: queue: {error}");
                last.get_or_insert(Refused::new(StatusCode::SERVICE_UNAVAILABLE, text));
                tried.push(backend.clone());
                continue;
            }
        };
        let (connection, is_reused) = match connection(job, backend, reuses).await {
            Ok(connection) => connection,
            Err((_, error)) if DescriptorLimit::of(&error).is_some() => {
                return Err(Refused::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    error.to_string(),
                ));
            }
            Err((phase, error)) => {
                pool.failed(backend, &error);
                last = Some(Refused::at(backend, phase, &error));
                tried.push(backend.clone());
                continue;
            }
        };
        let body = body.take().unwrap_or_default();
        let asked = runtime::now();
        match send(job, backend, connection, body).await {
            Ok(response) => {
                let mut response = match response.status() {
                    StatusCode::SWITCHING_PROTOCOLS => switching(job, busy, response)?,
                    _ => passing(job, busy, response),
                };
                if job.tells {
                    response.extensions_mut().insert(Passed {
                        back_end: backend.to_string(),
                        waited: asked - began,
                        took: runtime::now() - asked,
                        tries,
                    });
                }
                return Ok(response);
            }
            Err(error)
                if is_reused && can_repeat && has_died(&error) && pool.budget.take(pool.now()) =>
            {
                reuses = false;
            }
            Err(error) => return Err(blame(pool, backend, is_reused, &error)),
        }
    }
    Err(last.unwrap_or_else(|| Refused::all_down(pool)))
}

/// Returns a connection that waits, or a new one, and whether it is one that has waited.
async fn connection(
    job: &Job<'_>,
    backend: &Arc<Backend>,
    reuses: bool,
) -> Result<(ClientConnection, bool), (&'static str, io::Error)> {
    let pool = &job.pool;
    while reuses && let Some(mut connection) = backend.idle.take(pool.now()) {
        if !connection.is_stale().await {
            return Ok((connection, true));
        }
    }
    let limit = pool.settings().connect_timeout;
    let dialled = pool.dial(backend, limit).await;
    let stream = dialled.map_err(|error| ("connect", error))?;
    let Some(tls) = job.setup.tls.as_ref().filter(|_| backend.to().has_tls()) else {
        return Ok((ClientConnection::new(stream), false));
    };
    let host = backend.to().host();
    match runtime::timeout(limit, tls.connect(&host, stream)).await {
        Ok(Ok(stream)) => Ok((ClientConnection::over_tls(stream), false)),
        Ok(Err(error)) => Err(("TLS", error)),
        Err(_) => {
            let text = format!("no handshake within {limit:?}");
            Err(("TLS", io::Error::new(io::ErrorKind::TimedOut, text)))
        }
    }
}

/// Sends the request over a connection, which goes back to the back end's others after the answer.
async fn send(
    job: &Job<'_>,
    backend: &Arc<Backend>,
    connection: ClientConnection,
    body: Body,
) -> Result<Response<Body>, ExchangeError> {
    let Job {
        pool,
        head,
        peer,
        name,
        ..
    } = job;
    let timeouts = &job.setup.settings.timeouts;
    let limits = ExchangeLimits {
        first_byte: timeouts.first_byte,
        body_idle: timeouts.body_idle,
    };
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut request = RequestHead::new(&head.method, target);
    let given = given_host(head);
    let kept = given.filter(|_| !pool.settings().rewrite_host);
    let host = kept.unwrap_or(backend.to().authority());
    fields::write(&mut request, &head.headers, given, host, peer);
    fields::write_via(&mut request, &head.headers, head.version, name);
    if let Some(protocols) = &job.protocols {
        request.upgrade(protocols);
    }
    request.finish(&body);
    let (pool, backend) = (pool.clone(), backend.clone());
    let keep = move |connection| {
        backend
            .idle
            .put(connection, pool.now(), pool.settings().max_idle);
    };
    connection.send(&request, body, &limits, keep).await
}

/// Returns whether a connection was lost before any byte of an answer.
fn has_died(error: &ExchangeError) -> bool {
    matches!(error.phase, ExchangePhase::Send | ExchangePhase::FirstByte)
        && matches!(
            error.error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
        )
}

/// Notes the failure of a back end, if it was one, and returns what the client is told.
fn blame(pool: &Pool, backend: &Backend, is_reused: bool, error: &ExchangeError) -> Refused {
    if error.phase == ExchangePhase::Body {
        return Refused::of_body(pool, &error.error);
    }
    // A server may close a connection that waits at any time.
    if !(is_reused && has_died(error)) {
        pool.failed(backend, &error.error);
    }
    Refused::at(backend, error.phase, &error.error)
}

/// Returns the answer as it goes to the client. The back end is busy until the end of its body, and has succeeded
/// then.
fn passing(job: &Job<'_>, busy: Busy, response: Response<Body>) -> Response<Body> {
    match response.body().is_whole() {
        true => {
            job.pool.succeeded(busy.backend());
            response
        }
        false => response.map(|body| Body::new(Passing::new(body, busy, job.pool.clone()))),
    }
}

/// Returns the answer that ends HTTP on the client's connection.
fn switching(job: &Job<'_>, busy: Busy, answer: Response<Body>) -> Result<Response<Body>, Refused> {
    let (pool, backend) = (&job.pool, busy.backend().clone());
    let timeouts = job.setup.settings.timeouts;
    match switch(job.protocols.as_deref(), timeouts, busy, answer) {
        Ok(response) => {
            pool.succeeded(&backend);
            Ok(response)
        }
        Err(error) => {
            pool.failed(&backend, &error);
            Err(Refused::at(&backend, "head", &error))
        }
    }
}
