//! What has come for sockets and was not taken yet: a list for each, in one slab.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use super::socket::{NONE, index};
use super::sockets::Sockets;
use crate::completion::{self, Completion, Completions, Queue};
use crate::{Chunk, Token};

pub(super) struct Node {
    came: Completion,
    next: u32,
    /// Of the first: the last.
    last: u32,
}

impl Sockets {
    /// Keeps what has come behind what came before; says whether that was more than bytes that these
    /// found room beside.
    pub(super) fn keep(&mut self, token: Token, came: Completion) -> bool {
        let Some(socket) = self.all.get_mut(index(token)) else {
            return false;
        };
        let first = socket.first;
        let last = self.came.get(first as usize).map_or(NONE, |node| node.last);
        if let (Some(node), Completion::Bytes(chunk)) = (self.came.get_mut(last as usize), &came)
            && let Completion::Bytes(before) = &mut node.came
            && before.append(chunk)
        {
            return false;
        }
        let next = NONE;
        let at = self.came.vacant_key() as u32;
        self.came.insert(Node {
            came,
            next,
            last: at,
        });
        if first == NONE {
            socket.first = at;
            return false;
        }
        self.came[last as usize].next = at;
        self.came[first as usize].last = at;
        true
    }

    pub(super) fn forget(&mut self, mut next: u32) -> VecDeque<Completion> {
        let mut came = VecDeque::new();
        while next != NONE {
            let node = self.came.remove(next as usize);
            came.push_back(node.came);
            next = node.next;
        }
        came
    }

    fn head(&self, token: Token) -> u32 {
        let socket = self.all.get(index(token));
        socket.map_or(NONE, |socket| socket.first)
    }
}

/// What has come for one socket.
pub(super) struct Arrivals<'a>(pub(super) &'a mut Sockets, pub(super) Token);

impl Queue for Arrivals<'_> {
    fn pop(&mut self) -> Option<Completion> {
        let first = self.0.head(self.1);
        let node = self.0.came.try_remove(first as usize)?;
        self.0.all[index(self.1)].first = node.next;
        if let Some(next) = self.0.came.get_mut(node.next as usize) {
            next.last = node.last;
        }
        Some(node.came)
    }

    fn front(&mut self) -> Option<&mut Completion> {
        let first = self.0.head(self.1);
        self.0
            .came
            .get_mut(first as usize)
            .map(|node| &mut node.came)
    }
}

impl Completions for Arrivals<'_> {
    fn recv(&mut self) -> io::Result<(Chunk, bool)> {
        completion::recv(self)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        completion::read(self, buffer)
    }

    fn accept(&mut self) -> io::Result<OwnedFd> {
        completion::accept(self)
    }

    fn is_empty(&self) -> bool {
        self.0.head(self.1) == NONE
    }
}
