//! What tests serve and how, and the models and drivers that they run under.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use switchboard_http::{Body, Request, Response};
use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

#[allow(unused_imports, reason = "each test program uses a part of this")]
pub(crate) use ways::{models_and_drivers, run};

#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;

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
