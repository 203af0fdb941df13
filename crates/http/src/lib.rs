//! HTTP/1.1 and HTTP/2 servers, and the client's side of an HTTP/1.1 connection, over Switchboard streams, the same
//! under every model.
//!
//! HTTP/1.1 is of this crate's own making, on `httparse`; hyper speaks HTTP/2. Nothing is spawned: a server's
//! connection is one future.
//!
//! ```
//! use std::convert::Infallible;
//! use switchboard_http::{Body, Request, Response, serve_connection};
//! use switchboard_net::{Listener, Stream};
//! use switchboard_runtime::{self as runtime, Model};
//!
//! for model in [Model::Blocking, Model::Tasks] {
//!     let answer = model.run(async {
//!         let listener = Listener::bind("127.0.0.1:0").unwrap();
//!         let addr = listener.local_addr().unwrap();
//!         let server = async {
//!             let (stream, _) = listener.accept().await.unwrap();
//!             serve_connection(stream, |_request: Request| async {
//!                 Ok::<_, Infallible>(Response::new(Body::from("hello")))
//!             })
//!             .await
//!         };
//!         let client = async {
//!             let stream = Stream::connect(addr).await?;
//!             stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await?;
//!             let mut answer = Vec::new();
//!             loop {
//!                 let chunk = stream.recv().await?;
//!                 if chunk.is_empty() {
//!                     return std::io::Result::Ok(answer);
//!                 }
//!                 answer.extend_from_slice(&chunk);
//!             }
//!         };
//!         runtime::join(server, client).await.1
//!     })??;
//!     assert!(answer.ends_with(b"\r\n\r\nhello"));
//! }
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod body;
mod exchange;
mod h1;
mod h2;
mod head;
mod io;
mod server;
#[cfg(feature = "tower")]
mod tower;
mod upgrade;

pub use body::Body;
pub use exchange::{
    ClientConnection, ConnectionFields, ExchangeError, ExchangeLimits, ExchangePhase, RequestHead,
};
pub use head::has_head;
pub use http::{Response, StatusCode};
pub use io::{Executor, Io, Timer};
pub use server::{
    HttpServer, ServerLimits, serve_connection, serve_connection_until, serve_stream,
};
#[cfg(feature = "tower")]
pub use tower::{serve_service, serve_service_until};
pub use upgrade::{Upgraded, upgrade};

/// The request that a server's handler receives.
pub type Request = http::Request<Body>;
