//! Echo by tasks: the code reads as if it blocked, and at each `await` the loop runs other tasks.
//!
//!     cargo run --example 06-echo-tasks
//!     (in a second terminal, and a third:) nc 127.0.0.1 7007

use switchboard::{Model, Server, Stream};

async fn echo(stream: Stream) -> std::io::Result<()> {
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Ok(());
        }
        stream.write_all(&chunk).await?;
    }
}

fn main() -> std::io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let server = Server::new().model(Model::Tasks).bind(addr)?;
    println!("listening on {}", server.local_addr());
    server.serve(echo).map(drop)
}
