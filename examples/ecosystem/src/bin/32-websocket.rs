//! WebSocket by async-tungstenite, on both sides.
//!
//!     cargo run --bin 32-websocket -- threads

use std::io;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::{accept_async, client_async};
use futures_util::StreamExt;
use switchboard::Stream;
use switchboard_ecosystem::{Failure, serve_for};

/// Sends each message back in capitals.
async fn shout(stream: Stream) -> io::Result<()> {
    let mut socket = accept_async(stream).await.map_err(io::Error::other)?;
    while let Some(message) = socket.next().await {
        match message.map_err(io::Error::other)? {
            Message::Text(text) => {
                let answer = Message::text(text.to_uppercase());
                socket.send(answer).await.map_err(io::Error::other)?;
            }
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    serve_for(shout, async |addr| {
        let stream = Stream::connect(&addr).await?;
        let (mut socket, _) = client_async(format!("ws://{addr}/"), stream).await?;
        for word in ["hello", "world"] {
            socket.send(Message::text(word)).await?;
            let answer = socket.next().await.ok_or("the server has gone")??;
            assert_eq!(answer, Message::text(word.to_uppercase()));
        }
        socket.close(None).await?;
        Ok(())
    })
}
