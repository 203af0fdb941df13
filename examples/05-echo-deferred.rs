//! Echo by deferreds: each step names the callback that takes its result. The chain waits for a Deferred that
//! a callback returns, and that can be the next round of the echo.
//!
//!     cargo run --example 05-echo-deferred
//!     (in a second terminal, and a third:) nc 127.0.0.1 7007

use std::io;
use std::time::Duration;

use switchboard::callbacks::{self, Deferred};
use switchboard::{Driver, Listener, Stream, sleep};

fn echo(stream: Stream) -> Deferred<(), io::Error> {
    let (reads, writes) = (stream.clone(), stream.clone());
    Deferred::from_future(async move { reads.recv().await }).add_callback(move |chunk| {
        if chunk.is_empty() {
            return Deferred::succeed(());
        }
        Deferred::from_future(async move { writes.write_all(&chunk).await })
            .add_callback(move |()| echo(stream))
    })
}

fn accept(listener: Listener) -> Deferred<(), io::Error> {
    let own = listener.clone();
    let next = async move {
        let accepted = own.accept().await;
        if accepted.is_err() {
            // Most likely no descriptor is free until a connection ends.
            sleep(Duration::from_millis(50)).await;
        }
        accepted
    };
    Deferred::from_future(next).add_both(move |accepted| {
        let served = match accepted {
            Ok((stream, _)) => echo(stream),
            Err(error) => Deferred::fail(error),
        };
        served.add_errback(|error| {
            eprintln!("{error}");
            Ok::<(), io::Error>(())
        });
        accept(listener)
    })
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:7007".into());
    let listener = Listener::bind(addr)?;
    println!("listening on {}", listener.local_addr()?);
    callbacks::run(Driver::best(), || {
        accept(listener);
        Ok(())
    })
}
