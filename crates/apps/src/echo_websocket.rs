//! The echo service for WebSocket.

use std::convert::Infallible;
use std::io;

use switchboard_http::{Request, serve_connection};
use switchboard_net::Stream;
use switchboard_websocket::{Deflate, Encoded, Handler, Message, Options, Session, accept};

/// The most bytes of a message.
const MOST: usize = 16 << 20;

/// Returns the options of the echo service: messages of at most 16 MiB, and compression as the client wants it.
pub fn echo_options() -> Options {
    let deflate = Deflate::new().takeover(true);
    Options::new().max_message(MOST).deflate(deflate)
}

/// Sends back each WebSocket message of a client, until the client closes. Requests for something else are answered as
/// [`accept`] does. Waits in the flow's own way. Dropping the future closes the connection.
///
/// # Errors
/// Those of [`WebSocket::recv`](switchboard_websocket::WebSocket::recv).
///
/// ```
/// use switchboard_apps::{echo_options, echo_websocket};
/// use switchboard_net::Listener;
/// use switchboard_runtime::{self as runtime, Model};
/// use switchboard_websocket::{Message, connect};
///
/// Model::Tasks.run(async {
///     let listener = Listener::bind("127.0.0.1:0")?;
///     let url = format!("ws://{}/", listener.local_addr()?);
///     let service = async {
///         let (stream, _) = listener.accept().await?;
///         echo_websocket(stream, &echo_options()).await
///     };
///     let client = async {
///         let mut socket = connect(&url, &echo_options()).await?;
///         socket.send("hello").await?;
///         assert_eq!(socket.recv().await?, Some(Message::Text("hello".into())));
///         socket.close(None).await
///     };
///     let (served, asked) = runtime::join(service, client).await;
///     served.and(asked)
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn echo_websocket(stream: Stream, options: &Options) -> io::Result<()> {
    // A message that is cut into packets does not wait for the client's acknowledgement. A Unix socket has no such option.
    let _ = stream.set_nodelay(true);
    let handler = |request: Request| async move {
        Ok::<_, Infallible>(accept(&request, options, |mut socket| async move {
            while let Some(message) = socket.recv().await? {
                if let Some(answer) = Encoded::message(&message) {
                    socket.send(answer).await?;
                }
            }
            Ok(())
        }))
    };
    serve_connection(stream, handler).await
}

/// The echo service for WebSocket as a [`Handler`].
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoHandler;

impl Handler for EchoHandler {
    fn message(&mut self, session: &Session, message: Message) {
        if let Some(answer) = Encoded::message(&message) {
            session.send(&answer);
        }
    }
}
