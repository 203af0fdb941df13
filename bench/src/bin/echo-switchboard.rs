//! Echo on Switchboard; the second argument names the model, the third the driver.

use switchboard::apps::EchoProtocol;
use switchboard::{Driver, Model, Server, Stream};

async fn echo(stream: Stream) -> std::io::Result<()> {
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Ok(());
        }
        stream.write_all(&chunk).await?;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |at, otherwise: &str| std::env::args().nth(at).unwrap_or(otherwise.to_owned());
    let model: Model = argument(2, "tasks").parse()?;
    let driver: Driver = argument(3, Driver::best().name()).parse()?;
    let bound = Server::new()
        .model(model)
        .driver(driver)
        .bind(argument(1, "127.0.0.1:0"))?;
    println!("listening on {}", bound.local_addr());
    match model {
        Model::Callbacks => bound.serve_protocol(|| EchoProtocol)?,
        _ => bound.serve(echo)?,
    };
    Ok(())
}
