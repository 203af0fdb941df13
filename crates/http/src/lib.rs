//! HTTP/1.1 client, and HTTP/1.1 and HTTP/2 server, over Switchboard streams, the same under every model.
//!
//! HTTP/1.1 servers are of this crate's own making, on `httparse`; hyper speaks HTTP/2 and serves the client.
//! Nothing is spawned: a server's connection is one future, and a client's connection is polled together with
//! the request that uses it.
//!
//! ```
//! use std::convert::Infallible;
//! use switchboard_runtime::{self as runtime, Model};
//! use switchboard_http::{Body, Client, Request, Response, serve_connection};
//! use switchboard_net::Listener;
//!
//! for model in [Model::Blocking, Model::Tasks] {
//!     let text = model.run(async {
//!         let listener = Listener::bind("127.0.0.1:0").unwrap();
//!         let url = format!("http://{}/", listener.local_addr().unwrap());
//!         let server = async {
//!             let (stream, _) = listener.accept().await.unwrap();
//!             serve_connection(stream, |_request: Request| async {
//!                 Ok::<_, Infallible>(Response::new(Body::from("hello")))
//!             })
//!             .await
//!             .unwrap();
//!             String::new()
//!         };
//!         let client = async {
//!             Client::new().get(&url).await.unwrap().text(1024).await.unwrap()
//!         };
//!         runtime::race(server, client).await
//!     })?;
//!     assert_eq!(text, "hello");
//! }
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod body;
mod client;
mod connection;
mod descriptors;
mod error;
mod exchange;
mod h1;
mod h2;
mod head;
mod io;
mod lease;
mod pool;
mod response;
mod server;
#[cfg(feature = "tower")]
mod tower;
mod upgrade;

pub use body::Body;
pub use client::{Client, Limits};
pub use error::{Error, Phase};
pub use exchange::{
    ClientConnection, ConnectionFields, ExchangeError, ExchangeLimits, ExchangePhase, RequestHead,
};
pub use head::has_head;
pub use http::{Response, StatusCode};
pub use io::{Executor, Io, Timer};
pub use response::ClientResponse;
pub use server::{
    HttpServer, ServerLimits, serve_connection, serve_connection_until, serve_stream,
};
#[cfg(feature = "tower")]
pub use tower::{serve_service, serve_service_until};
pub use upgrade::{Upgraded, upgrade};

/// The request that a server's handler receives.
pub type Request = http::Request<Body>;
