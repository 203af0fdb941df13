//! A codec of tokio-util over a stream. Only tokio's traits are used: no tokio runtime is started.
//!
//!     cargo run --bin 34-codec -- threads

use std::io;

use futures_util::{SinkExt, StreamExt};
use switchboard::Stream;
use switchboard_ecosystem::{Failure, serve_for};
use tokio_util::codec::{Framed, LinesCodec};

/// Sends each line back in reverse.
async fn reverse(stream: Stream) -> io::Result<()> {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(1024));
    while let Some(line) = lines.next().await {
        let line = line.map_err(io::Error::other)?;
        let back: String = line.chars().rev().collect();
        lines.send(back).await.map_err(io::Error::other)?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    serve_for(reverse, async |addr| {
        let stream = Stream::connect(&addr).await?;
        let mut lines = Framed::new(stream, LinesCodec::new());
        for line in ["stressed", "drawer"] {
            lines.send(line).await?;
            let back = lines.next().await.ok_or("the server has gone")??;
            assert_eq!(back, line.chars().rev().collect::<String>());
        }
        Ok(())
    })
}
