//! Connections and flows, under every model and driver. Under `processes` nothing is forked, because the
//! test harness has threads; a flow waits in this process as it would in its own. The tests of `cli` fork.

mod connecting;
mod copying;
mod datagrams;
mod files;
mod flows;
mod halves;
mod incoming;
mod messages;
mod options;
mod outside;
mod plain;
mod scopes;
mod shared;
mod sockets;
mod torture;
mod waits;
#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_net::Stream;

pub(crate) use ways::{Way, stamp};

/// Returns a stream, and its peer for use outside of any flow.
pub(crate) fn pair() -> (Stream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    (here.into(), there)
}

/// A value that says whether it was dropped.
pub(crate) struct Dropped(Arc<AtomicBool>);

impl Dropped {
    pub(crate) fn new() -> (Dropped, impl Fn() -> bool) {
        let flag = Arc::new(AtomicBool::new(false));
        let dropped = flag.clone();
        (Dropped(flag), move || dropped.load(Ordering::SeqCst))
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
