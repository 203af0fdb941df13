//! Echo on compio, with io_uring.

use compio::BufResult;
use compio::buf::{IntoInner, IoBuf};
use compio::io::{AsyncRead, AsyncWriteExt};

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    compio::runtime::Runtime::new()?.block_on(async {
        let listener = compio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            compio::runtime::spawn(async move {
                let mut buffer = Vec::with_capacity(switchboard_bench::BUFFER);
                loop {
                    let BufResult(read, read_buffer) = stream.read(buffer).await;
                    let Ok(length @ 1..) = read else { return };
                    let BufResult(written, sent) =
                        stream.write_all(read_buffer.slice(..length)).await;
                    if written.is_err() {
                        return;
                    }
                    buffer = sent.into_inner();
                    buffer.clear();
                }
            })
            .detach();
        }
    })
}
