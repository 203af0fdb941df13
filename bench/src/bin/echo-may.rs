//! Echo on may's coroutines, one worker.

use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    may::config().set_workers(1);
    let listener = may::net::TcpListener::bind(switchboard_bench::addr()?)?;
    switchboard_bench::say(listener.local_addr()?)?;
    let server = may::go!(move || -> std::io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            may::go!(move || {
                let mut buffer = vec![0; switchboard_bench::BUFFER];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    server
        .join()
        .map_err(|_| std::io::Error::other("the server panicked"))?
}
