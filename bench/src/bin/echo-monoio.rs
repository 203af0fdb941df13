//! Echo on monoio, with io_uring.

use monoio::buf::IoBufMut;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
        .with_entries(1024)
        .build()?;
    runtime.block_on(async {
        let listener = monoio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            monoio::spawn(async move {
                let mut buffer = vec![0; switchboard_bench::BUFFER];
                loop {
                    let (read, read_buffer) = stream.read(buffer).await;
                    let Ok(length @ 1..) = read else { return };
                    let (written, sent) = stream.write_all(read_buffer.slice_mut(..length)).await;
                    if written.is_err() {
                        return;
                    }
                    buffer = sent.into_inner();
                    // Its length says how much was read; the room is what it was.
                    buffer.resize(switchboard_bench::BUFFER, 0);
                }
            });
        }
    })
}
