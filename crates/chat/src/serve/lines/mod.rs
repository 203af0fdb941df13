//! The chat as lines of text over TCP, for people with `nc` and for small programs.
//!
//! `conversation` turns bytes into commands and updates into lines, and knows no socket. Two drivers move the bytes:
//! `talk` in an async function, `protocol` by callbacks.

mod conversation;
mod protocol;
mod split;
mod spoken;
mod talk;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use switchboard_net::{Stream, TcpKeepalive};

use self::conversation::Conversation;
pub use self::protocol::LineProtocol;
use self::talk::Talk;
use crate::{Hub, Now};

/// How a [`LineService`] treats its clients.
///
/// ```
/// use std::time::Duration;
/// use switchboard_chat::LineOptions;
///
/// let options = LineOptions { hello: Duration::from_secs(30), ..LineOptions::default() };
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
pub struct LineOptions {
    /// How long a client may be silent that has not said its name. Default 10 s. One that writes other lines has up
    /// to six times as much.
    pub hello: Duration,
    /// After how long the system asks the machine of a silent client whether the connection is still there. Default
    /// 60 s. There is no other limit: a person may read for hours.
    pub idle: Duration,
}

impl Default for LineOptions {
    fn default() -> LineOptions {
        LineOptions {
            hello: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}

/// How long a client may take for its last lines.
const CLOSE: Duration = Duration::from_secs(5);

/// How long what it sends is discarded then, so that no reset overtakes them. A person at `nc` may never close.
const LINGER: Duration = Duration::from_secs(1);

/// How many questions of the system's may stay without an answer, and the pause between them.
const PROBES: (u32, Duration) = (3, Duration::from_secs(10));

/// A chat server that speaks lines of text. A clone is the same one.
///
/// A line of a client is a command such as `/join tea`, or something to say. A line of the server is something said,
/// with the room in front, or begins with `*` and a word: `docs/lines.md` has all of them.
///
/// ```
/// use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService};
/// use switchboard_net::Stream;
/// use switchboard_runtime::{self as runtime, Model};
///
/// let service = LineService::new(Hub::new(HubOptions::default(), InMemory), LineOptions::default());
/// let (here, there) = Stream::pair()?;
/// let client = async {
///     here.write_all(b"/name ann\n/join tea\nhello\n/quit\n").await?;
///     let mut heard = Vec::new();
///     while let chunk = here.recv().await? && !chunk.is_empty() {
///         heard.extend_from_slice(&chunk);
///     }
///     drop(here);
///     std::io::Result::Ok(String::from_utf8_lossy(&heard).into_owned())
/// };
/// let (served, heard) = Model::Tasks.run(runtime::join(service.serve(there), client))?;
/// served?;
/// let heard = heard?;
/// assert!(heard.contains("* joined #tea epoch="));
/// assert!(heard.lines().any(|line| line.starts_with("#tea 1 ") && line.ends_with(" <ann> hello")));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct LineService {
    hub: Hub,
    options: Arc<LineOptions>,
}

impl LineService {
    /// Returns the service of a hub.
    pub fn new(hub: Hub, options: LineOptions) -> LineService {
        let options = Arc::new(options);
        LineService { hub, options }
    }

    /// Speaks with a client until either side ends that. Dropping the future ends it without a last line.
    ///
    /// # Errors
    /// The system's, unless the client had ended its side before.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async function holds its arguments twice in every connection"
    )]
    pub fn serve(&self, stream: Stream) -> impl Future<Output = io::Result<()>> + use<> {
        self.set_up(
            |on| stream.set_nodelay(on),
            |keepalive| stream.set_tcp_keepalive(keepalive),
        );
        let talk = Talk::new(stream, self.converse());
        async move {
            if let Some(stream) = talk.await? {
                // The last line was sent, and a client that has closed at it does no harm.
                let _ = Box::pin(stream.linger_close(LINGER)).await;
            }
            Ok(())
        }
    }

    /// Returns the callbacks of one connection, for a loop.
    pub fn protocol(&self) -> LineProtocol {
        LineProtocol::new(self.clone())
    }

    fn converse(&self) -> Conversation {
        let now = Now::read();
        Conversation::new(self.hub.connect(now), &self.options, now)
    }

    fn set_up(
        &self,
        nodelay: impl FnOnce(bool) -> io::Result<()>,
        keepalive: impl FnOnce(&TcpKeepalive) -> io::Result<()>,
    ) {
        let (retries, interval) = PROBES;
        let probes = TcpKeepalive::new()
            .with_time(self.options.idle)
            .with_interval(interval)
            .with_retries(retries);
        // A Unix socket has no such options, and needs none.
        let _ = (nodelay(true), keepalive(&probes));
    }
}
