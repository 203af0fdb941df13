//! How an accepted connection gets its flow, in each model that serves from one process.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use switchboard_net::{Listener, Stream};
use switchboard_runtime::{self as runtime, Dispatch, race};

use crate::accept::{Headers, NewConnection, accept_loop};
use crate::connection::{connection, isolated};
use crate::counts::Count;
use crate::output::HandlerOutput;
use crate::shared::Shared;
use crate::stop::Stop;
use crate::waiting::{Queued, WaitingRoom};

/// Accepts connections and starts their flows until `stop`, then waits until all have ended.
pub(crate) async fn serve<H, F>(
    shared: Arc<Shared>,
    listener: Listener,
    handler: H,
    stop: &Stop,
) -> io::Result<()>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let pool = match shared.model.dispatch() {
        Dispatch::PooledThread => {
            let (queue, threads) = start_pool(&shared, &handler).await?;
            Some(WaitingRoom::new(&shared, queue, threads)?)
        }
        _ => None,
    };
    let start = |new| start(&shared, &handler, pool.as_ref(), new);
    let accept = async {
        let headers = Headers::default();
        accept_loop(&shared, &listener, &headers, stop.wait(), start).await?;
        drop(listener);
        if let Some(pool) = &pool {
            pool.stop();
        }
        shared.permits.below(1).await;
        Ok(())
    };
    match &pool {
        Some(pool) => race(accept, pool.serve()).await,
        None => accept.await,
    }
}

/// Starts the flow of one connection.
fn start<H, F>(shared: &Arc<Shared>, handler: &H, pool: Option<&WaitingRoom>, new: NewConnection)
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let (name, handler) = (shared.handler, handler.clone());
    match shared.model.dispatch() {
        Dispatch::Task | Dispatch::Stack | Dispatch::Object => {
            let (stream, admission) = (new.stream, new.admission);
            runtime::launch_detached(name, new.span, move || {
                connection(handler, stream, admission)
            });
        }
        Dispatch::PooledThread => {
            if let Some(pool) = pool {
                pool.enter(new);
            }
        }
        Dispatch::InTurn => {
            let run = new
                .span
                .in_scope(|| connection(handler, new.stream, new.admission));
            // A flow within the accepting one, so that it waits for its client only.
            let _ = shared.model.run(isolated(new.span.around(run)));
        }
        Dispatch::Thread | Dispatch::Process => {
            let (stream, admission) = (new.stream, new.admission);
            runtime::launch_detached(name, new.span, move || async move {
                let mut connection = pin!(connection(handler, stream, admission));
                connection.as_mut().await;
                // The permit is returned after the thread's own, so that no connection is accepted for
                // which there is no thread yet.
                connection.take_permit()
            });
        }
    }
}

/// Starts the threads of a pool, and returns the queue to them and how many there are. They end when the
/// queue is dropped.
///
/// # Errors
/// The system's, if no thread could be started.
async fn start_pool<H, F>(
    shared: &Shared,
    handler: &H,
) -> io::Result<(runtime::Sender<Queued>, usize)>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + 'static,
{
    let (sender, receiver) = runtime::channel::<Queued>(shared.capacity.connections);
    for started in 0..shared.pool {
        let (receiver, handler) = (receiver.clone(), handler.clone());
        let thread = runtime::launch(shared.handler, move || async move {
            while let Ok(Queued { new, busy }) = receiver.recv().await {
                let run = new
                    .span
                    .in_scope(|| connection(&handler, new.stream, new.admission));
                isolated(new.span.around(run)).await;
                drop(busy);
            }
        });
        // A thread that has started does not end before the queue.
        if thread.is_finished()
            && let Err(error) = thread.await
        {
            if started == 0 {
                return Err(error.into());
            }
            let (has, asked) = (Count(started, "thread"), shared.pool);
            let text = format_args!("the pool has {has} instead of {asked}: {error}");
            shared.hooks.notice(&text);
            return Ok((sender, started));
        }
    }
    Ok((sender, shared.pool))
}
