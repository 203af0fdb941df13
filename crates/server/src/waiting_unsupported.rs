//! The waiting room where there is no epoll: connections go to the pool as they are accepted.

use std::io;
use std::sync::Arc;

use switchboard_runtime::Sender;

use crate::accept::NewConnection;
use crate::shared::Shared;

/// A connection that waits for a thread of the pool.
pub(crate) struct Queued {
    pub(crate) new: NewConnection,
    pub(crate) busy: Busy,
}

/// Nothing, since the accepting flow counts connections itself.
pub(crate) struct Busy;

pub(crate) struct WaitingRoom {
    queue: Sender<Queued>,
}

impl WaitingRoom {
    pub(crate) fn new(_: &Arc<Shared>, queue: Sender<Queued>, _: usize) -> io::Result<WaitingRoom> {
        Ok(WaitingRoom { queue })
    }

    pub(crate) fn enter(&self, new: NewConnection) {
        // The queue is never full: there are no more permits than places in it.
        drop(self.queue.try_send(Queued { new, busy: Busy }));
    }

    pub(crate) fn stop(&self) {}

    pub(crate) async fn serve(&self) -> io::Result<()> {
        std::future::pending().await
    }
}
