//! The part that the programs of this folder share: a server and its client in one process, under one model.

use std::error::Error;
use std::future::Future;
use std::thread;

use switchboard::{Model, Server, Stream};

/// An error that prints.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Returns the model that the command line names, `tasks` otherwise.
pub fn model() -> Result<Model, Failure> {
    let name = std::env::args().nth(1);
    Ok(name.as_deref().unwrap_or("tasks").parse()?)
}

/// Serves `handler` under the model of the command line for as long as `client`, which gets the server's
/// address and waits under the same model, takes.
pub fn serve_for<H, F, C, D>(handler: H, client: C) -> Result<(), Failure>
where
    H: Fn(Stream) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = std::io::Result<()>> + 'static,
    C: FnOnce(String) -> D + Send + 'static,
    D: Future<Output = Result<(), Failure>>,
{
    let model = model()?;
    let server = Server::new().model(model).bind("127.0.0.1:0")?;
    let (addr, stop) = (server.local_addr().to_string(), server.stop_handle());
    let client = thread::spawn(move || {
        let done = model.run(client(addr));
        stop.stop();
        done
    });
    let report = server.serve(handler)?;
    client.join().map_err(|_| "the client panicked")???;
    println!("{model}: {} connections served", report.accepted);
    Ok(())
}
