//! The ends of sockets and of runs, and what goes on after the end of a run.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::Sockets;
use crate::completion::Unclaimed;
use crate::uring::queues::EMPTY;
use crate::uring::ring::Ring;
use crate::uring::socket::*;
use crate::{Event, Ready, Token};

impl Sockets {
    /// Notes that a socket may have requests in flight or completions.
    pub(in crate::uring) fn note_active(&mut self, token: Token) {
        if self.active.len() > 64 + 2 * self.sockets.len() {
            self.active.clear();
            for (at, socket) in self.sockets.iter().enumerate() {
                if socket.is_in_flight() || socket.head != EMPTY {
                    self.active.push(at as u32);
                }
            }
        }
        self.active.push(index(token) as u32);
    }

    /// Arms the sockets again that found no buffer, and parks those that the end of a run has cancelled.
    pub(in crate::uring) fn rearm(&mut self, ring: &mut Ring) -> io::Result<()> {
        while let Some(token) = self.starved.pop() {
            let Some(socket) = self.sockets.get_mut(index(token)) else {
                continue;
            };
            if !socket.has(token) {
                continue;
            }
            if !socket.is(REQUESTED) || socket.is(ARMED) || socket.is(RELEASING) {
                socket.set(PARKED, false);
            } else if !socket.is(PARKED) || self.parked.park(socket.fd, token).is_err() {
                socket.set(PARKED, false);
                if let Err(error) = socket.arm(token, ring) {
                    self.starved.push(token);
                    return Err(error);
                }
                self.note_active(token);
            }
        }
        Ok(())
    }

    /// Returns the epoll instance of parked sockets, if there is one.
    pub(in crate::uring) fn parked_epoll(&self) -> Option<BorrowedFd<'_>> {
        self.parked.epoll()
    }

    /// Reports the parked sockets that are readable.
    pub(in crate::uring) fn take_parked(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let sockets = &mut self.sockets;
        self.parked.take(|token| {
            let socket = sockets.get_mut(index(token));
            if let Some(socket) = socket.filter(|socket| socket.has(token) && socket.is(PARKED)) {
                socket.set(PARKED, false);
                socket.set(REQUESTED, false);
                events.push(Event {
                    token,
                    ready: Ready::READ,
                });
            }
        })
    }

    /// Closes a socket when nothing of it is in flight; returns whether the caller should wait for
    /// that.
    pub(in crate::uring) fn close(&mut self, token: Token, fd: OwnedFd, ring: &mut Ring) -> bool {
        let Some(socket) = self.get(token) else {
            drop(fd);
            return false;
        };
        socket.cancel_all(token, ring);
        let mut closed = std::mem::replace(socket, VACANT);
        if closed.is(PARKED) {
            self.parked.remove(closed.fd);
        }
        self.queues.take_all(&mut closed.head);
        if closed.is_in_flight() {
            self.closing.insert(token, fd, &closed);
        } else {
            push_close(fd, ring);
        }
        closed.is(LISTENER)
    }

    /// Returns whether a closed socket has requests in flight.
    pub(in crate::uring) fn is_closing(&self, token: Token) -> bool {
        self.closing.contains(token)
    }

    /// Removes a socket and returns its completions. While requests are in flight, cancels them and
    /// returns `None`.
    pub(in crate::uring) fn release(&mut self, token: Token, ring: &mut Ring) -> Option<Unclaimed> {
        let Some(socket) = self.get(token) else {
            return Some(Unclaimed::default());
        };
        socket.set(RELEASING, true);
        socket.set(REQUESTED, false);
        if socket.is_in_flight() {
            socket.cancel_all(token, ring);
            return None;
        }
        let mut released = std::mem::replace(socket, VACANT);
        // A forked child has the descriptor of the same epoll instance.
        if released.is(PARKED) && !ring.is_forked() {
            self.parked.remove(released.fd);
        }
        Some(Unclaimed {
            completions: self.queues.take_all(&mut released.head),
        })
    }

    /// Returns completions to their socket.
    pub(in crate::uring) fn restore(&mut self, token: Token, unclaimed: Unclaimed) {
        let socket = self.sockets.get_mut(index(token));
        if let Some(socket) = socket.filter(|socket| socket.has(token)) {
            for completion in unclaimed.completions {
                self.queues.push(&mut socket.head, completion);
            }
            self.note_active(token);
        }
    }

    /// Cancels everything in flight. Sockets that a flow waits for are parked by the next wait.
    pub(in crate::uring) fn cancel_all(&mut self, ring: &mut Ring) {
        self.stopping = true;
        for at in self.active.iter().map(|&at| at as usize) {
            if let Some(socket) = self.sockets.get_mut(at) {
                socket.cancel_all(socket.token(at), ring);
            }
        }
    }

    /// Returns whether nothing is in flight.
    pub(in crate::uring) fn are_idle(&self) -> bool {
        let in_flight = |at: &u32| {
            let socket = self.sockets.get(*at as usize);
            socket.is_some_and(Socket::is_in_flight)
        };
        self.closing.is_empty() && !self.active.iter().any(in_flight)
    }

    /// Takes every completion, once nothing is in flight.
    pub(in crate::uring) fn take_unclaimed(&mut self) -> Vec<(Token, Unclaimed)> {
        self.stopping = false;
        let mut all = Vec::new();
        for at in self.active.drain(..).map(|at| at as usize) {
            if let Some(socket) = self.sockets.get_mut(at)
                && socket.head != EMPTY
            {
                let completions = self.queues.take_all(&mut socket.head);
                all.push((socket.token(at), Unclaimed { completions }));
            }
        }
        all
    }
}
