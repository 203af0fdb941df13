//! How an accepted connection gets its flow, in each model that serves from one process.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Dispatch};

use crate::accept::accept_loop;
use crate::connection::{connection, isolated};
use crate::shared::{Listed, Permit, Shared};
use crate::stop::Stop;

/// Accepts connections and starts their flows until `stop`, then waits until all have ended.
pub(crate) async fn serve<H, F>(
    shared: Arc<Shared>,
    listener: Listener,
    handler: H,
    stop: &Stop,
) -> io::Result<()>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let pool = match shared.model.dispatch() {
        Dispatch::PooledThread => Some(start_pool(shared.pool, &handler)),
        _ => None,
    };
    let start = |stream, permit| start(&shared, &handler, pool.as_ref(), stream, permit);
    accept_loop(&shared, &listener, stop.wait(), start).await?;
    drop(listener);
    shared.permits.below(1).await;
    Ok(())
}

/// Starts the flow of one connection.
fn start<H, F>(
    shared: &Arc<Shared>,
    handler: &H,
    pool: Option<&runtime::Sender<Queued>>,
    stream: Stream,
    permit: Permit,
) where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let name = Location::caller();
    let handler = handler.clone();
    match shared.model.dispatch() {
        Dispatch::Task | Dispatch::Stack | Dispatch::Object => {
            runtime::launch_detached(name, move || connection(handler, stream, permit));
        }
        Dispatch::PooledThread => {
            let listed = Listed::new(shared, &stream);
            if let Some(queue) = pool {
                // The queue is never full: there are as many permits as threads.
                drop(queue.try_send((stream, permit, listed)));
            }
        }
        Dispatch::InTurn => {
            let listed = Listed::new(shared, &stream);
            let run = isolated(connection(handler, stream, permit));
            // A flow within the accepting one, so that it waits for its client only.
            let _ = shared.model.run(run);
            drop(listed);
        }
        Dispatch::Thread | Dispatch::Process => {
            let listed = Listed::new(shared, &stream);
            runtime::launch_detached(name, move || async move {
                connection(handler, stream, permit).await;
                drop(listed);
            });
        }
    }
}

/// A connection that waits for a thread of the pool.
type Queued = (Stream, Permit, Listed);

/// Starts the threads of a pool. They end when the queue is dropped.
fn start_pool<H, F>(threads: usize, handler: &H) -> runtime::Sender<Queued>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let (sender, receiver) = runtime::channel::<Queued>(threads);
    for _ in 0..threads {
        let (receiver, handler) = (receiver.clone(), handler.clone());
        let thread = runtime::launch(Location::caller(), move || async move {
            while let Ok((stream, permit, listed)) = receiver.recv().await {
                isolated(connection(&handler, stream, permit)).await;
                drop(listed);
            }
        });
        thread.detach();
    }
    sender
}
