//! The body of a request, whose bytes must keep coming.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use switchboard_runtime as runtime;

use crate::server::ServerLimits;
use crate::server::pace::{Pace, Phase};

/// A body that fails if its handler waits and the client sends too slowly, or too much.
pub(super) struct Paced<B = Incoming> {
    body: B,
    limits: Arc<ServerLimits>,
    /// Bytes so far.
    whole: u64,
    pace: Pace,
    /// What the next frame wakes, if one was waited for.
    arrival: Option<Arc<Arrival>>,
}

type FrameOf<B> = Result<Frame<<B as Body>::Data>, <B as Body>::Error>;

/// Notes when a frame came, which its handler may take much later.
struct Arrival {
    handler: Waker,
    time: OnceLock<Instant>,
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.time.get_or_init(runtime::now);
        self.handler.wake_by_ref();
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, limits: Arc<ServerLimits>) -> Paced<B> {
        Paced {
            body,
            limits,
            whole: 0,
            pace: Pace::new(),
            arrival: None,
        }
    }
}

impl<B: Body + Unpin> Paced<B> {
    /// Polls the body, and has the arrival of a frame noted that is not there yet.
    fn poll_noted(&mut self, context: &mut Context<'_>) -> Poll<Option<FrameOf<B>>> {
        let waits = |it: &mut Arc<Arrival>| {
            it.time.get().is_none() && it.handler.will_wake(context.waker())
        };
        let waits = self.arrival.take_if(waits);
        let arrival = match waits {
            Some(arrival) => arrival,
            None => {
                self.arrival = None;
                // Most frames are there already.
                if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
                    return Poll::Ready(frame);
                }
                let (handler, time) = (context.waker().clone(), OnceLock::new());
                Arc::new(Arrival { handler, time })
            }
        };
        let waker = Waker::from(arrival.clone());
        let frame = Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(&waker));
        self.arrival = frame.is_pending().then_some(arrival);
        frame
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let came = this.arrival.as_ref().and_then(|it| it.time.get().copied());
        let Poll::Ready(frame) = this.poll_noted(context) else {
            let late = this.pace.poll(Phase::Body, &this.limits, context);
            return late.map(|()| {
                let text = "the client sends its request too slowly";
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            });
        };
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(1, |data| data.len());
            this.pace
                .received_at(length, came.unwrap_or_else(runtime::now));
            this.whole += length as u64;
            if this.whole > this.limits.body_bytes {
                let text = format!("a body of more than {} bytes", this.limits.body_bytes);
                let error = io::Error::new(io::ErrorKind::FileTooLarge, text);
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_lite::stream::unfold;
    use http_body_util::{BodyExt, StreamBody};
    use switchboard_runtime::{self as runtime, Driver, Model};

    use super::*;

    /// Returns a body of pieces of so many bytes that come so many seconds after each other.
    fn paced(
        pieces: std::slice::Iter<'static, (u64, usize)>,
    ) -> impl Body<Data = Bytes, Error = io::Error> + Unpin {
        let body = unfold((runtime::now(), pieces), |(last, mut pieces)| async move {
            let (after, length) = pieces.next()?;
            let due = last + Duration::from_secs(*after);
            runtime::Sleep::until(due).await;
            let frame = Frame::data(Bytes::from(vec![0; *length]));
            Some((Ok::<_, Infallible>(frame), (due, pieces)))
        });
        let body = StreamBody::new(Box::pin(body));
        Paced::new(body, Arc::new(ServerLimits::default()))
    }

    /// Reads a body. The handler is busy for a time after each piece. Returns the bytes that came and for how many
    /// seconds that took.
    fn read(pieces: &'static [(u64, usize)], busy: u64) -> (io::Result<usize>, u64) {
        let body = async {
            let start = runtime::now();
            let mut body = paced(pieces.iter());
            let mut whole = 0;
            let result = loop {
                match body.frame().await {
                    Some(Ok(frame)) => whole += frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(error)) => break Err(error),
                    None => break Ok(whole),
                }
                runtime::sleep(Duration::from_secs(busy)).await;
            };
            (result, (runtime::now() - start).as_secs())
        };
        Model::Tasks.run_with(Driver::Sim, body).unwrap()
    }

    #[test]
    fn a_wait_that_is_given_up_counts_until_the_bytes_come() {
        let pieces = [(2, 1000), (34, 1000)].iter();
        let body = async {
            let mut body = paced(pieces);
            let second = Duration::from_secs(1);
            runtime::timeout(second, body.frame()).await.unwrap_err();
            // The first piece comes while the handler does something else.
            runtime::sleep(30 * second).await;
            body.collect().await.map(|body| body.to_bytes().len())
        };
        let whole = Model::Tasks.run_with(Driver::Sim, body).unwrap();
        assert_eq!(whole.unwrap(), 2000);
    }

    #[test]
    fn only_time_that_the_server_waits_counts() {
        let (whole, _) = read(&[(1, 1000), (61, 1000), (61, 1000)], 59);
        assert_eq!(whole.unwrap(), 3000);
        // The grace of 20 s is less than the time between two pieces.
        let (error, after) = read(&[(1, 1000), (100, 1000)], 0);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 20);
        // 512 bytes a second.
        let (error, after) = read(&[(2, 1024); 30], 0);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(after, 20);
        let (whole, _) = read(&[(2, 4096); 30], 0);
        assert_eq!(whole.unwrap(), 30 * 4096);
    }
}
