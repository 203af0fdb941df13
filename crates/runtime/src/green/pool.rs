//! A pool that limits how many plain functions run at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::{Event, IntoNotification};

use super::{block_on, spawn};
use crate::model::Refusal;
use crate::spawn::join::{JoinError, JoinHandle};

/// A pool in which a limited number of functions run at a time. A clone is the same pool.
///
/// ```
/// use std::time::Duration;
/// use switchboard_runtime::{Model, green};
///
/// let most = Model::Green.run(async {
///     let pool = green::Pool::new(2);
///     let counts: Vec<_> = (0..6)
///         .map(|_| {
///             let own = pool.clone();
///             pool.spawn(move || {
///                 green::sleep(Duration::from_millis(1))?;
///                 std::io::Result::Ok(own.busy())
///             })
///         })
///         .collect();
///     pool.join()?;
///     let counts = green::joinall(counts).into_iter().map(|count| count.unwrap().unwrap());
///     std::io::Result::Ok(counts.max())
/// })??;
/// assert_eq!(most, Some(2));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool(Arc<Permits>);

/// The permits of a pool: one for each function that may run.
#[derive(Debug)]
struct Permits {
    size: usize,
    taken: Mutex<usize>,
    /// Notified when a permit is returned.
    returned: Event,
    /// Notified when no permit is taken any more.
    all_returned: Event,
}

impl Pool {
    /// Returns a pool in which `size` functions run at a time, and at least one.
    pub fn new(size: usize) -> Pool {
        Pool(Arc::new(Permits {
            size: size.max(1),
            taken: Mutex::new(0),
            returned: Event::new(),
            all_returned: Event::new(),
        }))
    }

    /// Waits for a permit, as [`block_on`] does, and starts `f` as
    /// [`green::spawn`](crate::green::spawn) does. Flows that wait for a permit are not served in the
    /// order in which they came.
    ///
    /// In a task nothing is started, and the handle returns [`JoinError::Refused`].
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match block_on(self.0.clone().take()) {
            Ok(permit) => spawn(move || {
                let _permit = permit;
                f()
            }),
            Err(refusal) => JoinHandle::failed(JoinError::Refused(refusal)),
        }
    }

    /// Waits, as [`block_on`] does, until no function runs in the pool.
    ///
    /// # Errors
    /// Those of [`block_on`].
    pub fn join(&self) -> Result<(), Refusal> {
        block_on(wait_until(&self.0.all_returned, || *self.0.lock() == 0))
    }

    /// Returns how many functions can run at a time.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Returns how many functions run now.
    pub fn busy(&self) -> usize {
        *self.0.lock()
    }
}

impl Permits {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(self: Arc<Permits>) -> Permit {
        let try_take = || {
            let mut taken = self.lock();
            let free = *taken < self.size;
            *taken += usize::from(free);
            free
        };
        wait_until(&self.returned, try_take).await;
        Permit(self)
    }
}

/// Waits until `condition` is true, which is checked again each time `event` is notified.
async fn wait_until(event: &Event, mut condition: impl FnMut() -> bool) {
    while !condition() {
        let notified = event.listen();
        // A notification before `listen` would be missed.
        if condition() {
            return;
        }
        notified.await;
    }
}

/// The right of one function to run in a pool, returned when it is dropped.
struct Permit(Arc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.0.lock();
        *taken -= 1;
        let none_taken = *taken == 0;
        drop(taken);
        self.0.returned.notify(1.additional());
        if none_taken {
            self.0.all_returned.notify(usize::MAX);
        }
    }
}
