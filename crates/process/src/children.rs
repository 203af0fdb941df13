//! A set of children that are reaped together.

use std::io;

use crate::fork::{Child, ExitStatus};

/// A set of children, each with a value of the caller's. Dropping the set neither ends nor reaps
/// them.
///
/// ```standalone_crate
/// use switchboard_process::{Children, ExitStatus, fork};
///
/// let mut children = Children::new();
/// children.push(fork(|| loop { std::thread::park() })?, "parked");
/// assert!(children.reap().is_empty());
/// let [killed] = &children.kill()[..] else { panic!("there is one child") };
/// assert_eq!(killed.value, "parked");
/// assert!(matches!(killed.status, Ok(ExitStatus::Killed(9))));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Children<V> {
    members: Vec<(Child, V)>,
}

/// A child that was reaped.
#[derive(Debug)]
pub struct Reaped<V> {
    /// The value that was pushed with the child.
    pub value: V,
    /// The process identifier, which the system may have given to another process since.
    pub pid: i32,
    /// The exit status; an error, such as `ECHILD`, if something else reaped it.
    pub status: io::Result<ExitStatus>,
}

impl<V> Default for Children<V> {
    fn default() -> Children<V> {
        Children::new()
    }
}

impl<V> Children<V> {
    /// Returns an empty set.
    pub fn new() -> Children<V> {
        Children {
            members: Vec::new(),
        }
    }

    /// Adds a child that has not been reaped.
    pub fn push(&mut self, child: Child, value: V) {
        self.members.push((child, value));
    }

    /// Returns how many children have not been reaped.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns whether all children have been reaped.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Removes the child with this process identifier from the set.
    pub fn remove(&mut self, pid: i32) -> Option<(Child, V)> {
        let at = self
            .members
            .iter()
            .position(|(child, _)| child.pid() == pid);
        at.map(|at| self.members.swap_remove(at))
    }

    /// Removes the first child whose value matches `predicate` from the set.
    pub fn remove_if(&mut self, predicate: impl Fn(&V) -> bool) -> Option<(Child, V)> {
        let at = (self.members.iter()).position(|(_, value)| predicate(value));
        at.map(|at| self.members.swap_remove(at))
    }

    /// Reaps the children that have ended. Never blocks.
    pub fn reap(&mut self) -> Vec<Reaped<V>> {
        let mut reaped = Vec::new();
        for (child, value) in std::mem::take(&mut self.members) {
            match child.try_wait().transpose() {
                None => self.members.push((child, value)),
                Some(status) => reaped.push(Reaped::new(&child, value, status)),
            }
        }
        reaped
    }

    /// Reaps the children whose values match `finished`. Blocks until they end.
    pub(crate) fn wait_for(&mut self, finished: impl Fn(&V) -> bool) -> Vec<Reaped<V>> {
        let finished = self.members.extract_if(.., |(_, value)| finished(value));
        finished
            .map(|(child, value)| {
                let status = child.wait();
                Reaped::new(&child, value, status)
            })
            .collect()
    }

    /// Sends SIGTERM to each child, which asks it to end.
    pub fn terminate(&self) {
        self.members.iter().for_each(|(child, _)| child.terminate());
    }

    /// Sends a signal to each child, given by number.
    pub fn signal(&self, signal: i32) {
        self.members
            .iter()
            .for_each(|(child, _)| child.signal(signal));
    }

    /// Sends SIGKILL to each child, and blocks until all have been reaped.
    pub fn kill(&mut self) -> Vec<Reaped<V>> {
        self.members.iter().for_each(|(child, _)| child.kill());
        self.wait_for(|_| true)
    }

    /// Returns the values of the children.
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.members.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.members.iter_mut().map(|(_, value)| value)
    }
}

impl<V> Reaped<V> {
    fn new(child: &Child, value: V, status: io::Result<ExitStatus>) -> Reaped<V> {
        Reaped {
            value,
            pid: child.pid(),
            status,
        }
    }
}
