//! An HTTP client over Switchboard streams, the same under every model.
//!
//! Nothing is spawned: a connection is polled together with the request that uses it.
//!
//! ```
//! use std::convert::Infallible;
//! use switchboard_fetch::Client;
//! use switchboard_http::{Body, Request, Response, serve_connection};
//! use switchboard_net::Listener;
//! use switchboard_runtime::{self as runtime, Model};
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

mod client;
mod coding;
mod connection;
mod cookies;
mod descriptors;
pub mod encoding;
mod error;
mod lease;
mod limits;
mod pool;
mod proxy;
mod rate;
mod request;
mod response;
mod retry;
mod target;

pub use client::{Client, ClientBuilder};
pub use error::{Error, Phase};
pub use http::{Method, StatusCode, Version, header};
pub use limits::Limits;
pub use proxy::Proxies;
pub use request::Request;
pub use response::{ClientResponse, Content, Heads};
pub use retry::{Retries, retry_after};
