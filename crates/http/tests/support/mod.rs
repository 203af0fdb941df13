//! The models and drivers that tests run under.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use switchboard_http::{Body, Request, Response};
use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

/// Returns every model that runs async functions: each driver that can be opened here with `tasks`, and
/// the best one with `green`.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub(crate) fn models_and_drivers() -> Vec<(Model, Driver)> {
    let plain = Model::ALL
        .into_iter()
        .filter(|model| !model.has_loop())
        .map(|model| (model, Driver::Poll));
    let loops = Driver::ALL
        .into_iter()
        // Simulated time would pass the limit for a request's head at once.
        .filter(|driver| *driver != Driver::Sim)
        .filter(|driver| driver.open().is_ok())
        .map(|driver| (Model::Tasks, driver));
    let green = [(Model::Green, Driver::best())];
    plain.chain(loops).chain(green).collect()
}

pub(crate) fn run<T>(model: Model, driver: Driver, future: impl Future<Output = T>) -> T {
    match model.has_loop() {
        true => model.run_with(driver, future).unwrap(),
        false => model.run(future).unwrap(),
    }
}

/// Serves a connection whose client sends `bytes` and the end of input. Returns what came back, and what
/// became of the connection.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub(crate) fn exchange<F>(
    (model, driver): (Model, Driver),
    bytes: &[u8],
    serve: impl FnOnce(Stream) -> F + Send,
) -> (String, io::Result<()>)
where
    F: Future<Output = io::Result<()>>,
{
    let (mut client, server) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(move || {
            let stream = Stream::from(server);
            run(model, driver, async { serve(stream).await })
        });
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = Vec::new();
        client.read_to_end(&mut text).unwrap();
        drop(client);
        let text = String::from_utf8_lossy(&text).into_owned();
        (text, server.join().unwrap())
    })
}

/// Returns the statuses of the answers in `text`.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub(crate) fn statuses(text: &str) -> Vec<&str> {
    let heads = text.match_indices("HTTP/1.1 ");
    heads.map(|(at, _)| &text[at + 9..at + 12]).collect()
}

/// Answers with the method, the path and the body.
#[allow(dead_code, reason = "each test program uses a part of this")]
pub(crate) async fn echo(request: Request) -> io::Result<Response<Body>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = request.into_body().bytes(1 << 20).await;
    let body = match &body {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(error) => format!("({:?})", error.kind()),
    };
    Ok(Response::new(Body::from(format!(
        "<{method} {path} {body}>"
    ))))
}
