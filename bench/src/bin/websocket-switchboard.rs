//! A WebSocket echo server on Switchboard: `websocket-switchboard ADDR MODEL DRIVER`.

use std::convert::Infallible;

use switchboard::http::{HttpServer, Request, ServerLimits};
use switchboard::websocket::{Encoded, Options, accept};
use switchboard::{Driver, Model, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |at, otherwise: &str| std::env::args().nth(at).unwrap_or(otherwise.to_owned());
    let model: Model = argument(2, "tasks").parse()?;
    let driver: Driver = argument(3, Driver::best().name()).parse()?;
    let server = Server::new().model(model).driver(driver);
    let bound = server.bind(argument(1, "127.0.0.1:0"))?;
    println!("listening on {}", bound.local_addr());
    let http = HttpServer::new(ServerLimits::default());
    bound.serve(move |stream| {
        let _ = stream.set_nodelay(true);
        http.serve(stream, |request: Request| async move {
            Ok::<_, Infallible>(accept(&request, &Options::new(), |mut socket| async move {
                while let Some(message) = socket.recv().await? {
                    if let Some(message) = Encoded::message(&message) {
                        socket.send(message).await?;
                    }
                }
                Ok(())
            }))
        })
    })?;
    Ok(())
}
