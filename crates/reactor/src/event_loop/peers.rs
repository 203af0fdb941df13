//! Addresses of peers that speak for others, such as proxies: a few descriptors have one.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::Slab;

static PEERS: Mutex<Slab<SocketAddr>> = Mutex::new(Slab::new());

/// Adds an address, and returns its number, which is not zero; zero if there are too many.
pub(super) fn add(peer: SocketAddr) -> u32 {
    let at = peers().insert(peer);
    match u32::try_from(at + 1) {
        Ok(number) => number,
        Err(_) => {
            peers().remove(at);
            0
        }
    }
}

pub(super) fn get(number: u32) -> Option<SocketAddr> {
    // Without the lock for those that have none.
    let at = number.checked_sub(1)?;
    peers().get(at as usize).copied()
}

pub(super) fn remove(number: u32) {
    if let Some(at) = number.checked_sub(1) {
        peers().try_remove(at as usize);
    }
}

fn peers() -> MutexGuard<'static, Slab<SocketAddr>> {
    PEERS.lock().unwrap_or_else(PoisonError::into_inner)
}
