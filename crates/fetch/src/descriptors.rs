//! The wait for a descriptor when the process or the system has none left.
//!
//! ```text
//!   attempt ── fails for want of a descriptor ──► close the oldest idle connection ──► attempt again
//!                                                  └─ none is idle: wait until a connection of this
//!                                                     client ends or becomes idle, or for a pause
//! ```

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use switchboard_net::{DescriptorLimit, resolve};
use switchboard_runtime as runtime;

use crate::error::{Error, Phase};
use crate::lease::Waiting;
use crate::limits::{Limits, Total};
use crate::pool::Pool;

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Makes `attempt` until it no longer fails for want of a descriptor. Each may take `limit`, and the wait for a
/// descriptor [`Limits::descriptor`] from when this client gave back the last one. Between attempts, idle connections of `pool` are closed, the oldest first;
/// if there are none, waits until a connection ends or becomes idle.
///
/// # Errors
/// The attempt's; if it took too long, what it waited for, in `phase`.
pub(crate) async fn with_descriptors<T, F>(
    pool: &Pool,
    limits: &Limits,
    limit: Duration,
    total: Total,
    phase: Phase,
    attempt: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = io::Result<T>>,
{
    let freed = pool.freed();
    let mut waiting = None;
    let mut pause = FIRST_PAUSE;
    let mut since = None;
    let mut count = freed.count();
    loop {
        let lack = match total.within(limit, phase, attempt()).await {
            Err(error) if error.lack_of_descriptors().is_some() => error,
            result => return result,
        };
        let now = runtime::now();
        let given = freed.count();
        if given != count {
            // While others come to their ends, it is a queue, whose length nobody can tell.
            count = given;
            since = None;
        }
        let waited = now.saturating_duration_since(*since.get_or_insert(now));
        let left = limits.descriptor.saturating_sub(waited);
        if left.is_zero() || !total.allows(Duration::ZERO) {
            return Err(Error::new(phase, explain(&lack, limits.descriptor)));
        }
        if pool.close_oldest() {
            // A completion driver closes the descriptor in the loop's next turn.
            runtime::yield_now().await;
        } else if waiting.is_none() {
            // A descriptor that was given back before this mark has woken no flow, so the next attempt is
            // made at once.
            waiting = Some(Waiting::new(freed));
        } else {
            freed.wait(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Returns an error that says which limit was reached and what to do about it.
fn explain(lack: &Error, waited: Duration) -> io::Error {
    let limit = match (
        lack.lack_of_descriptors(),
        getrlimit(Resource::Nofile).current,
    ) {
        (Some(DescriptorLimit::Process), Some(limit)) => format!(
            "this process may have {limit} (RLIMIT_NOFILE): raise that limit with `ulimit -n`, or make \
             fewer requests at once"
        ),
        _ => "the system has no more (fs.file-max): raise that limit, or end other programs".into(),
    };
    let cause = lack.cause();
    io::Error::other(format!(
        "{cause}; no descriptor became free within {waited:?}; {limit}"
    ))
}

/// Looks a host up, and tells the lack of descriptors from a name that is not known: the resolver opens
/// files and a socket, and may report the one as the other.
///
/// # Errors
/// The system's, if too few descriptors are left; those of [`resolve`].
pub(crate) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.parse::<IpAddr>().is_ok() {
        return resolve(host, port).await;
    }
    check_resolver_descriptors()?;
    match resolve(host, port).await {
        Ok(found) => Ok(found),
        Err(error) => Err(check_resolver_descriptors().err().unwrap_or(error)),
    }
}

/// Checks that there are as many descriptors as a look-up needs.
fn check_resolver_descriptors() -> io::Result<()> {
    let _first = UnixStream::pair()?;
    UnixStream::pair().map(drop)
}
