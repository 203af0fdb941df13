//! TLS over Switchboard streams, for clients and servers, the same under every model.
//!
//! rustls does the cryptography. A [`TlsStream`] is a stream again: it has the methods of
//! [`Stream`](switchboard_net::Stream) that read and write, and the `futures-io` traits.
//!
//! ```
//! use switchboard_net::Stream;
//! use switchboard_runtime::{self as runtime, Model};
//! use switchboard_tls::{TlsClient, TlsServer};
//!
//! let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
//! let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let server = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?;
//! let client = TlsClient::with_roots(certificate.as_bytes())?;
//!
//! for model in [Model::Threads, Model::Tasks] {
//!     let (here, there) = Stream::pair()?;
//!     let answer = model.run(async {
//!         let serve = async {
//!             let mut stream = server.accept(there).await?;
//!             let question = stream.recv().await?;
//!             stream.write_all(&question.to_ascii_uppercase()).await
//!         };
//!         let ask = async {
//!             let mut stream = client.connect("localhost", here).await?;
//!             stream.write_all(b"hello").await?;
//!             stream.recv().await
//!         };
//!         let (served, answer) = runtime::join(serve, ask).await;
//!         served.and(answer)
//!     })??;
//!     assert_eq!(&*answer, b"HELLO");
//! }
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod any;
mod certificates;
mod client;
mod first;
mod load;
mod server;
mod stream;

pub use client::TlsClient;
pub use first::{PlainText, has_hello};
pub use rustls;
pub use server::TlsServer;
pub use stream::TlsStream;

/// Returns an error of configuration.
fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
}

fn protocol_list(protocols: &[&str]) -> Vec<Vec<u8>> {
    let bytes = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec());
    bytes.collect()
}
