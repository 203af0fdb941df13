//! A chat server at `/ws`, or with `echo` an echo server there, by axum on one thread of tokio.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Error, Router};
use futures_util::SinkExt;
use switchboard_bench::rooms::{READ, Rooms};

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = switchboard_bench::listen()?;
    listener.set_nonblocking(true)?;
    let rooms = Arc::new(Rooms::default());
    let chat = async move |upgrade: WebSocketUpgrade| -> Response {
        let upgrade = upgrade.read_buffer_size(READ);
        upgrade.on_upgrade(async move |socket| {
            // A connection that fails has ended.
            let _ = talk(socket, rooms).await;
        })
    };
    let echoes = async |upgrade: WebSocketUpgrade| -> Response {
        let upgrade = upgrade.read_buffer_size(READ);
        upgrade.on_upgrade(async |socket| {
            let _ = echo(socket).await;
        })
    };
    let is_echo = std::env::args().nth(2).is_some_and(|word| word == "echo");
    let router = Router::new().route("/ws", if is_echo { get(echoes) } else { get(chat) });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // Without it, the last piece of an answer may wait.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await
    })
}

async fn echo(mut socket: WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await {
        if let message @ (Message::Text(_) | Message::Binary(_)) = message? {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn talk(mut socket: WebSocket, rooms: Arc<Rooms<Utf8Bytes>>) -> Result<(), Error> {
    let (mut client, mut waiting) = rooms.connect();
    loop {
        tokio::select! {
            message = socket.recv() => match message.transpose()? {
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
