//! The body of a request, whose bytes must keep coming.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::server::ServerLimits;
use crate::server::pace::{Pace, Phase};

/// A body that fails if its handler waits and the client sends too slowly, or too much.
pub(super) struct Paced<B = Incoming> {
    body: B,
    limits: Arc<ServerLimits>,
    /// Bytes so far.
    whole: u64,
    pace: Pace,
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, limits: Arc<ServerLimits>) -> Paced<B> {
        Paced {
            body,
            limits,
            whole: 0,
            pace: Pace::new(),
        }
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
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            let late = this.pace.poll(Phase::Body, &this.limits, context);
            return late.map(|()| {
                let text = "the client sends its request too slowly";
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            });
        };
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(1, |data| data.len());
            this.pace.received(length);
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

    /// Reads a body of pieces of so many bytes that come so many seconds after each other. The handler is busy
    /// for a time after each. Returns the bytes that came and for how many seconds that took.
    fn read(pieces: &'static [(u64, usize)], busy: u64) -> (io::Result<usize>, u64) {
        let body = async {
            let start = runtime::now();
            let body = unfold((start, pieces.iter()), |(last, mut pieces)| async move {
                let (after, length) = pieces.next()?;
                let due = last + Duration::from_secs(*after);
                runtime::Sleep::until(due).await;
                let frame = Frame::data(Bytes::from(vec![0; *length]));
                Some((Ok::<_, Infallible>(frame), (due, pieces)))
            });
            let body = StreamBody::new(Box::pin(body));
            let mut body = Paced::new(body, Arc::new(ServerLimits::default()));
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
