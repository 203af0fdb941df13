//! Closed sockets with requests in flight.
//!
//! A request carries its socket's token, whose index may belong to another socket by the time of the
//! completion. Such a socket and its descriptor therefore stay here until the last request has ended.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use super::TOKEN_MASK;
use super::socket::{ARMED, Socket, WRITE_ARMED};
use crate::Token;

struct Closing {
    /// Closed when this is dropped.
    _fd: OwnedFd,
    armed: bool,
    write_armed: bool,
}

#[derive(Default)]
pub(super) struct ClosingSockets {
    sockets: HashMap<u64, Closing>,
}

impl ClosingSockets {
    pub(super) fn insert(&mut self, token: Token, fd: OwnedFd, socket: &Socket) {
        let closing = Closing {
            _fd: fd,
            armed: socket.is(ARMED),
            write_armed: socket.is(WRITE_ARMED),
        };
        self.sockets.insert(key(token), closing);
    }

    pub(super) fn contains(&self, token: Token) -> bool {
        self.sockets.contains_key(&key(token))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Handles the completion of a receive or an accept; `more` says whether others follow.
    pub(super) fn complete(&mut self, token: Token, more: bool) {
        self.update(token, |closing| closing.armed &= more);
    }

    /// Handles the completion of a poll for writability.
    pub(super) fn complete_writable(&mut self, token: Token) {
        self.update(token, |closing| closing.write_armed = false);
    }

    fn update(&mut self, token: Token, update: impl FnOnce(&mut Closing)) {
        let key = key(token);
        if let Some(closing) = self.sockets.get_mut(&key) {
            update(closing);
            if !closing.armed && !closing.write_armed {
                self.sockets.remove(&key);
            }
        }
    }
}

/// Returns the part of a token that requests carry.
fn key(token: Token) -> u64 {
    token.0 as u64 & TOKEN_MASK
}
