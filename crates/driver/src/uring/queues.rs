//! The queues of untaken completions: a linked list for each socket, all in one slab.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use slab::Slab;

use crate::Chunk;
use crate::completion::{self, Completion, Completions, Queue};

/// The head of an empty queue.
pub(super) const EMPTY: u32 = u32::MAX;

struct Node {
    completion: Completion,
    next: u32,
    /// The last node of the queue; only the first node's is valid.
    last: u32,
}

/// The completions of all sockets. A queue is known by the index of its first node, its head, which
/// the socket has.
#[derive(Default)]
pub(super) struct Queues {
    nodes: Slab<Node>,
}

impl Queues {
    /// Appends a completion. Bytes are merged with the last ones if these have space. Returns whether
    /// the queue was not empty and nothing was merged.
    #[inline]
    pub(super) fn push(&mut self, head: &mut u32, completion: Completion) -> bool {
        if *head == EMPTY {
            *head = self.insert(completion);
            return false;
        }
        let last = self
            .nodes
            .get(*head as usize)
            .map_or(EMPTY, |node| node.last);
        if let (Some(node), Completion::Bytes(chunk)) =
            (self.nodes.get_mut(last as usize), &completion)
            && let Completion::Bytes(before) = &mut node.completion
            && before.append(chunk)
        {
            return false;
        }
        let at = self.insert(completion);
        self.nodes[last as usize].next = at;
        self.nodes[*head as usize].last = at;
        true
    }

    /// Adds a queue of one node, and returns its index.
    #[inline]
    fn insert(&mut self, completion: Completion) -> u32 {
        let entry = self.nodes.vacant_entry();
        let at = entry.key() as u32;
        entry.insert(Node {
            completion,
            next: EMPTY,
            last: at,
        });
        at
    }

    /// Takes every completion of a queue.
    pub(super) fn take_all(&mut self, head: &mut u32) -> VecDeque<Completion> {
        let mut completions = VecDeque::new();
        let mut next = std::mem::replace(head, EMPTY);
        while next != EMPTY {
            let node = self.nodes.remove(next as usize);
            completions.push_back(node.completion);
            next = node.next;
        }
        completions
    }
}

/// The queue of one socket; none if the driver does not know the socket.
pub(super) struct SocketCompletions<'a> {
    pub(super) queues: &'a mut Queues,
    pub(super) head: Option<&'a mut u32>,
}

impl Queue for SocketCompletions<'_> {
    fn pop(&mut self) -> Option<Completion> {
        let head = self.head.as_deref_mut()?;
        let node = self.queues.nodes.try_remove(*head as usize)?;
        *head = node.next;
        if let Some(next) = self.queues.nodes.get_mut(node.next as usize) {
            next.last = node.last;
        }
        Some(node.completion)
    }

    fn front(&mut self) -> Option<&mut Completion> {
        let head = self.head.as_deref()?;
        let node = self.queues.nodes.get_mut(*head as usize)?;
        Some(&mut node.completion)
    }
}

impl Completions for SocketCompletions<'_> {
    #[inline]
    fn recv(&mut self) -> io::Result<(Chunk, bool)> {
        // Bytes are first almost always.
        if let Some(head) = &mut self.head
            && let Some(node) = self.queues.nodes.get(**head as usize)
            && node.next == EMPTY
            && matches!(node.completion, Completion::Bytes(_))
            && let Completion::Bytes(chunk) = self.queues.nodes.remove(**head as usize).completion
        {
            **head = EMPTY;
            return Ok((chunk, false));
        }
        completion::recv(self)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        completion::read(self, buffer)
    }

    fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        completion::peek(self, buffer)
    }

    fn accept(&mut self) -> io::Result<OwnedFd> {
        completion::accept(self)
    }

    fn is_empty(&self) -> bool {
        self.head.as_deref().is_none_or(|&head| head == EMPTY)
    }
}
