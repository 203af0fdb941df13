//! Sockets: one type of connection and of listener for every concurrency model.
//!
//! One [`Stream`] and one [`Listener`], for TCP and Unix sockets, under every model: a read blocks
//! the thread or suspends the task, whichever it finds itself in. [`Stream`] has async methods and the
//! `futures-io` traits; a [`PlainStream`] is the same connection with `std::io::{Read, Write}`, for plain
//! functions. [`Incoming`] accepts for as long as a server runs.
//!
//! | for | see |
//! |---|---|
//! | connecting to a name, an address or a path | [`Stream::connect`], [`ToTarget`], [`resolve`] |
//! | options of a listener | [`BindOptions`] |
//! | options of a connection | [`Stream::set_nodelay`], [`Stream::set_tcp_keepalive`], … |
//! | two flows on one connection | [`Stream::split`], [`Stream::into_split`], or clones |
//! | datagrams | [`UdpSocket`], [`UnixDatagram`] |
//! | proxies | [`copy_bidirectional`], [`Copier`] |
//! | messages | [`Lines`], [`Frames`] |
//! | a file, or a part of one | [`Stream::send_file`] |
//! | descriptors over a Unix connection | [`Stream::send_fds`], [`Stream::recv_fds`] |
//! | a close that loses no answer | [`Stream::close`] |
//!
//! ```
//! use switchboard_runtime::{self as runtime, Model};
//! use switchboard_net::{Listener, Stream};
//!
//! for model in [Model::Threads, Model::Tasks] {
//!     model.run(async {
//!         let listener = Listener::bind("127.0.0.1:0")?;
//!         let client = Stream::connect(&listener.local_addr()?.to_string()).await?;
//!         let (server, _peer) = listener.accept().await?;
//!         client.write_all(b"hello").await?;
//!         client.shutdown_write()?;
//!         assert_eq!(&*server.recv().await?, b"hello");
//!         assert!(server.recv().await?.is_empty());
//!         std::io::Result::Ok(())
//!     })??;
//! }
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod addr;
mod bind;
mod connect;
mod copy;
mod datagram;
mod descriptor_limit;
mod explained;
mod incoming;
mod listener;
mod plain;
mod reader;
mod resolve;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sigpipe;
mod socket_options;
mod stream;
mod target;
#[cfg(feature = "tokio")]
mod tokio_io;

pub use addr::Addr;
pub use bind::BindOptions;
pub use connect::connect_any;
pub use copy::{Copier, copy, copy_bidirectional};
pub use datagram::udp::UdpSocket;
pub use datagram::unix::UnixDatagram;
pub use descriptor_limit::DescriptorLimit;
pub use incoming::{Accepted, Incoming};
pub use listener::Listener;
pub use plain::PlainStream;
pub use reader::frames::Frames;
pub use reader::lines::Lines;
pub use resolve::resolve;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::{Stream, TcpKeepalive, WeakStream};
pub use switchboard_runtime::Chunk;
pub use target::{Target, ToTarget};

/// A TCP connection; the same type as a Unix one.
pub type TcpStream = Stream;
/// A TCP listener; the same type as a Unix one.
pub type TcpListener = Listener;
/// A Unix connection; the same type as a TCP one.
pub type UnixStream = Stream;
/// A Unix listener; the same type as a TCP one.
pub type UnixListener = Listener;
