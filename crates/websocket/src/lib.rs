//! WebSocket (RFC 6455) with compression (permessage-deflate, RFC 7692) over Switchboard streams, for servers and
//! clients, the same under every model.
//!
//! | for | see |
//! |---|---|
//! | a server's connection, out of an HTTP request | [`accept`] |
//! | a client's connection | [`connect`] |
//! | receiving and sending | [`WebSocket`] |
//! | one message to many connections | [`Encoded`] |
//! | callbacks | [`Protocol`], [`Handler`] |
//! | the protocol without input and output | [`Decoder`], [`Encoder`] |
//!
//! An idle connection holds no buffer, no compressor and no decompressor: received bytes are in pooled chunks, and what
//! compresses is the thread's, and lent for the time of a message.
//!
//! ```
//! use std::convert::Infallible;
//! use switchboard_http::{Request, serve_connection};
//! use switchboard_net::Listener;
//! use switchboard_runtime::{self as runtime, Model};
//! use switchboard_websocket::{Message, Options, accept, connect};
//!
//! for model in [Model::Threads, Model::Tasks] {
//!     model.run(async {
//!         let listener = Listener::bind("127.0.0.1:0")?;
//!         let url = format!("ws://{}/", listener.local_addr()?);
//!         let server = async {
//!             let (stream, _) = listener.accept().await?;
//!             serve_connection(stream, |request: Request| async move {
//!                 Ok::<_, Infallible>(accept(&request, &Options::new(), |mut socket| async move {
//!                     while let Some(message) = socket.recv().await? {
//!                         if let Message::Text(text) = message {
//!                             socket.send(text).await?;
//!                         }
//!                     }
//!                     Ok(())
//!                 }))
//!             })
//!             .await
//!         };
//!         let client = async {
//!             let mut socket = connect(&url, &Options::new()).await?;
//!             socket.send("hello").await?;
//!             assert_eq!(socket.recv().await?, Some(Message::Text("hello".into())));
//!             socket.close(None).await
//!         };
//!         let (served, asked) = runtime::join(server, client).await;
//!         served.and(asked)
//!     })??;
//! }
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod decode;
mod deflate;
mod encoded;
mod encoder;
mod frame;
mod handshake;
mod message;
mod protocol;
mod socket;
mod violation;

pub use decode::Decoder;
pub use deflate::{Agreed, Deflate};
pub use encoded::Encoded;
pub use encoder::Encoder;
pub use handshake::client::connect;
pub use handshake::options::Options;
pub use handshake::server::{Handshake, accept};
pub use message::Message;
pub use protocol::{Handler, Protocol, Session};
pub use socket::{ClientStream, WebSocket, Wire};
pub use tungstenite::Utf8Bytes;
pub use tungstenite::protocol::CloseFrame;
pub use tungstenite::protocol::frame::coding::CloseCode;
pub use violation::Violation;

/// Which end of a connection this is: a client's frames are masked, a server's are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that has asked for the connection.
    Client,
    /// The end that was asked.
    Server,
}
