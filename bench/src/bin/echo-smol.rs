//! Echo on smol: a local executor on one thread.

use smol::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = smol::net::TcpListener::from(smol::Async::new(listener)?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            executor
                .spawn(async move {
                    let mut buffer = vec![0; switchboard_bench::BUFFER];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..length]).await.is_err() {
                            return;
                        }
                    }
                })
                .detach();
        }
    }))
}
