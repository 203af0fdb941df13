//! Echo: what comes goes back.

use std::io;

use switchboard_net::Stream;

/// Sends back whatever arrives, until the peer says that it will send no more; then says the same.
///
/// # Errors
/// The connection's, such as a reset by the peer.
///
/// ```
/// use switchboard_flow::{self as flow, Driver, Model};
/// use switchboard_net::Stream;
///
/// let (here, there) = Stream::pair()?;
/// let service = switchboard_services::echo(there);
/// let client = async {
///     here.write_all(b"hello").await?;
///     here.shutdown_write()?;
///     here.recv().await
/// };
/// let (served, answer) = Model::Tasks.run(Driver::best(), flow::join(service, client))?;
/// served?;
/// assert_eq!(&*answer?, b"hello");
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
