//! The echo service, once in each style.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use switchboard_callbacks::{Protocol, Transport};
use switchboard_net::{PlainStream, Stream};

/// Sends back every received byte until the peer shuts down its sending side; then shuts down its own.
/// Waits in the flow's own way. Dropping the future closes the connection.
///
/// # Errors
/// The connection's, such as a reset by the peer.
///
/// ```
/// use switchboard_runtime::{self as runtime, Model};
/// use switchboard_net::Stream;
///
/// let (here, there) = Stream::pair()?;
/// let service = switchboard_apps::echo(there);
/// let client = async {
///     here.write_all(b"hello").await?;
///     here.shutdown_write()?;
///     here.recv().await
/// };
/// let (served, received) = Model::Tasks.run(runtime::join(service, client))?;
/// served?;
/// assert_eq!(&*received?, b"hello");
/// # std::io::Result::Ok(())
/// ```
pub async fn echo(stream: Stream) -> io::Result<()> {
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return stream.shutdown_write();
        }
        stream.write_all(&chunk).await?;
    }
}

/// Does what [`echo`] does, as a plain function. Blocks its thread, or suspends its green thread.
///
/// # Errors
/// The connection's, such as a reset by the peer.
pub fn echo_plain(mut stream: PlainStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return stream.shutdown(Shutdown::Write);
        }
        stream.write_all(&buffer[..length])?;
    }
}

/// The echo service as a [`Protocol`]. While the peer does not read, the protocol stops reading too.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoProtocol;

impl Protocol for EchoProtocol {
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        transport.write(data);
    }

    fn pause_writing(&mut self, transport: &Transport) {
        transport.pause_reading();
    }

    fn resume_writing(&mut self, transport: &Transport) {
        transport.resume_reading();
    }
}
