//! The bytes and producers that a chat has yet to send.

use std::cell::RefCell;
use std::collections::VecDeque;

/// A source of bytes that is called when the connection is writable.
///
/// A closure is a producer:
///
/// ```
/// use switchboard_callbacks::Producer;
///
/// let mut lines = ["one\n", "two\n"].into_iter();
/// let mut producer = move || lines.next().unwrap_or_default().into();
/// assert_eq!(producer.more(), b"one\n");
/// assert_eq!(producer.more(), b"two\n");
/// assert_eq!(producer.more(), b"");
/// ```
pub trait Producer: 'static {
    /// Returns the next bytes; none at the end.
    fn more(&mut self) -> Vec<u8>;
}

impl<F: FnMut() -> Vec<u8> + 'static> Producer for F {
    fn more(&mut self) -> Vec<u8> {
        self()
    }
}

/// A queue of producers, and the bytes that the first one made last.
#[derive(Default)]
pub(super) struct Outgoing(RefCell<Queue>);

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// The number of `bytes` that have been sent.
    sent: usize,
    producers: VecDeque<Box<dyn Producer>>,
}

impl Outgoing {
    pub(super) fn push(&self, producer: impl Producer) {
        let producer = Box::new(producer);
        self.0.borrow_mut().producers.push_back(producer);
    }

    /// Drops what has not been sent.
    pub(super) fn discard(&self) {
        let queue = self.0.take();
        drop(queue);
    }

    pub(super) fn is_empty(&self) -> bool {
        let queue = self.0.borrow();
        queue.sent == queue.bytes.len() && queue.producers.is_empty()
    }

    /// Calls producers until there are bytes to send, and returns whether there are.
    pub(super) fn fill(&self) -> bool {
        loop {
            let mut queue = self.0.borrow_mut();
            if queue.sent < queue.bytes.len() {
                return true;
            }
            let Some(mut producer) = queue.producers.pop_front() else {
                *queue = Queue::default();
                return false;
            };
            // The queue is not borrowed during the call, because a producer may push.
            drop(queue);
            let bytes = producer.more();
            let mut queue = self.0.borrow_mut();
            if !bytes.is_empty() {
                queue.producers.push_front(producer);
                (queue.bytes, queue.sent) = (bytes, 0);
            }
        }
    }

    /// Passes the unsent bytes to `send`, which returns how many of them it sent.
    pub(super) fn send<E>(&self, send: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let queue = self.0.borrow();
        let sent = send(&queue.bytes[queue.sent..])?;
        drop(queue);
        self.0.borrow_mut().sent += sent;
        Ok(sent)
    }
}
