//! Tests of what works outside of any flow, what is refused there, and runs within runs.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_lite::future::{block_on, pending, zip};
use switchboard_net::{Accepted, Incoming, Listener, PlainStream, Stream};
use switchboard_runtime::{self as runtime, Direction, Event, JoinError, Model, Source, green};

use crate::{Way, pair};

crate::stamp!(
    a_loop_within_a_loop_is_refused_and_names_both_models
    a_blocking_flow_within_any_flow_waits
);

#[track_caller]
fn assert_refused<T>(result: io::Result<T>) {
    let error = result.err().expect("outside of a flow");
    assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error}");
    let text = error.to_string();
    assert!(text.contains("Model::run") && text.contains("green::block_on"));
}

#[test]
fn sockets_are_refused_outside_of_any_flow() {
    let (stream, mut peer) = pair();
    io::Write::write_all(&mut peer, b"hello").unwrap();
    // Also where nothing would have to wait.
    assert_refused(block_on(stream.recv()));
    assert_refused(block_on(stream.read(&mut [0; 4])));
    assert_refused(block_on(stream.write(b"x")));
    assert_refused(block_on(stream.write_all(b"x")));
    assert_refused(block_on(stream.recv_urgent()));
    assert_refused(block_on(Source::new(peer.into()).ready(Direction::Write)));
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    assert_refused(block_on(listener.accept()));
    let next = block_on(Incoming::new(listener.clone()).next());
    assert!(matches!(next, Accepted::Failed(error) if error.kind() == io::ErrorKind::Unsupported));
    let name = listener.local_addr().unwrap().to_string();
    assert_refused(block_on(Stream::connect(&name)));

    // The refused operations took nothing.
    assert_eq!(&*green::block_on(stream.recv()).unwrap().unwrap(), b"hello");
}

#[test]
fn a_join_of_accept_and_connect_ends_outside_of_any_flow() {
    let path = std::env::temp_dir().join(format!("outside-{}.sock", std::process::id()));
    let listener = Listener::bind_unix(&path).unwrap();
    let (accepted, connected) = block_on(zip(listener.accept(), Stream::connect_unix(&path)));
    std::fs::remove_file(&path).unwrap();
    assert_refused(accepted);
    assert_refused(connected);
}

/// Returns the text of the panic with which a poll of `future` ends.
fn panic_of_poll(future: impl Future) -> String {
    let mut future = pin!(future);
    let poll = || {
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    };
    let payload = match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(_) => panic!("outside of a flow"),
        Err(payload) => payload,
    };
    runtime::panic_message(&*payload).to_owned()
}

#[test]
fn timers_panic_outside_of_any_flow() {
    let expected = "no flow waits here: run this future under a model with `Model::run`, or wait for it in \
                    plain code with `green::block_on`";
    assert_eq!(panic_of_poll(runtime::sleep(Duration::ZERO)), expected);
    assert_eq!(panic_of_poll(runtime::sleep(Duration::MAX)), expected);
    let timeout = runtime::timeout(Duration::from_secs(1), pending::<()>());
    assert_eq!(panic_of_poll(timeout), expected);
}

#[test]
fn what_waits_for_flows_works_outside_of_any_flow() {
    block_on(async {
        let (sender, receiver) = runtime::channel(1);
        let event = Event::new();
        let (own, heard) = (
            event.clone(),
            runtime::spawn(async move { receiver.recv().await }),
        );
        sender.send(7).await.unwrap();
        assert_eq!(heard.await.unwrap(), Ok(7));
        let work = runtime::run_blocking(move || own.set());
        event.wait().await;
        work.await.unwrap();
        let local = runtime::spawn_local(async {}).await;
        assert!(matches!(local, Err(JoinError::Refused(_))), "{local:?}");
    });
}

#[test]
fn plain_code_blocks_its_thread_outside_of_any_flow() {
    let (here, there) = Stream::pair().unwrap();
    let (mut here, mut there) = (PlainStream::from(here), PlainStream::from(there));
    let (sent, received) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let mut byte = [0];
        io::Read::read_exact(&mut there, &mut byte).unwrap();
        sent.send(byte[0]).unwrap();
    });
    green::sleep(Duration::from_millis(1)).unwrap();
    io::Write::write_all(&mut here, b"x").unwrap();
    assert_eq!(received.recv(), Ok(b'x'));
    other.join().unwrap();
    assert_eq!(runtime::spawn(async { 7 }).join().unwrap(), 7);
}

fn a_loop_within_a_loop_is_refused_and_names_both_models(way: Way) {
    let Way(model, driver) = way;
    way.run(async {
        for inner in [Model::Tasks, Model::Green, Model::Callbacks] {
            let runs = [inner.run(async { 7 }), inner.run_with(driver, async { 7 })];
            for run in runs {
                if !model.has_loop() {
                    assert_eq!(run.unwrap(), 7);
                    continue;
                }
                let error = run.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                let expected = format!(
                    "model `{inner}` cannot run within a flow of model `{model}`: a loop runs on this thread \
                     already; await the future, or run it on another thread"
                );
                assert_eq!(error.to_string(), expected);
            }
        }
        // The refused runs left this flow as it was.
        runtime::sleep(Duration::from_millis(1)).await;
        assert_eq!(Model::current(), Some(model));
    });
}

fn a_blocking_flow_within_any_flow_waits(way: Way) {
    way.run(async {
        let (stream, mut peer) = pair();
        let within = Model::Threads.run(async {
            let other = runtime::spawn(async move {
                runtime::sleep(Duration::from_millis(1)).await;
                io::Write::write_all(&mut peer, b"x").unwrap();
            });
            let chunk = stream.recv().await.unwrap();
            other.await.unwrap();
            chunk[0]
        });
        assert_eq!(within.unwrap(), b'x');
        runtime::sleep(Duration::from_millis(1)).await;
    });
}
