//! A chat server, or with `echo` an echo server, by tokio-tungstenite on one thread of tokio.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use switchboard_bench::rooms::{READ, Rooms};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let is_echo = std::env::args().nth(2).is_some_and(|word| word == "echo");
    let rooms = Arc::new(Rooms::default());
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let rooms = rooms.clone();
            tokio::spawn(async move {
                let config = WebSocketConfig::default().read_buffer_size(READ);
                let Ok(socket) = accept_async_with_config(stream, Some(config)).await else {
                    return;
                };
                // A connection that fails has ended.
                let _ = match is_echo {
                    true => echo(socket).await,
                    false => talk(socket, rooms).await,
                };
            });
        }
    })
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        if let message @ (Message::Text(_) | Message::Binary(_)) = message? {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn talk(
    mut socket: WebSocketStream<TcpStream>,
    rooms: Arc<Rooms<Utf8Bytes>>,
) -> Result<(), Error> {
    let (mut client, mut waiting) = rooms.connect();
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Text(text)) => client.receive(&text),
                Some(_) => {}
                None => return Ok(()),
            },
            Some(text) = waiting.recv() => {
                let send = async {
                    socket.feed(Message::Text(text)).await?;
                    while let Ok(text) = waiting.try_recv() {
                        socket.feed(Message::Text(text)).await?;
                    }
                    socket.flush().await
                };
                tokio::select! {
                    sent = send => sent?,
                    () = client.slow() => return Ok(()),
                }
            }
            () = client.slow() => return Ok(()),
        }
    }
}
