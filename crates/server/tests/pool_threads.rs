//! A pool whose threads the system refuses. A test of its own, since threads are counted for the whole process.

use std::future::pending;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use switchboard_runtime::{self as runtime, thread_capacity};
use switchboard_server::{Model, Server};

#[test]
fn a_pool_without_a_thread_ends_its_server() {
    let mut limit = getrlimit(Resource::Nproc);
    // Leaves one thread for flows.
    limit.current = Some(65);
    setrlimit(Resource::Nproc, limit).unwrap();
    assert_eq!(thread_capacity().0, 1);
    Model::Threads
        .run(async { runtime::spawn(pending::<()>()).detach() })
        .unwrap();
    let server = Server::new()
        .model(Model::Pool)
        .bind("127.0.0.1:0")
        .unwrap();
    assert_eq!(server.pool(), 1);
    let stop = server.stop_handle();
    // Not joined, since the system may refuse it under this limit too.
    let _ = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(Duration::from_secs(5));
        stop.stop();
    });
    let error = server.serve(|_| async {}).unwrap_err();
    assert!(matches!(
        error.kind(),
        io::ErrorKind::QuotaExceeded | io::ErrorKind::WouldBlock
    ));
}
