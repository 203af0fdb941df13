//! Accepting without a descriptor left, under every model and driver: accepting pauses, and goes on
//! when a descriptor is free again.
//!
//! A test binary of its own with one test, because the limit is the whole process's.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_net::{Accepted, Incoming, Listener};
use switchboard_runtime::{self as runtime, Driver, Model};

/// Lowers the descriptor limit so that none is left, until it is dropped.
struct NoneLeft(Rlimit);

impl NoneLeft {
    fn new() -> NoneLeft {
        let limit = getrlimit(Resource::Nofile);
        // The lowest free number is the number of those in use, since none below it was closed.
        let free = std::fs::File::open("/dev/null").unwrap();
        let next = std::os::fd::AsRawFd::as_raw_fd(&free) as u64;
        let none = Rlimit {
            current: Some(next),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, none).unwrap();
        NoneLeft(limit)
    }
}

impl Drop for NoneLeft {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

async fn backs_off(incoming: &mut Incoming) -> Duration {
    match incoming.next().await {
        Accepted::BackOff { error, pause } => {
            assert_eq!(error.raw_os_error(), Some(24), "EMFILE: {error}");
            pause
        }
        other => panic!("no back-off: {other:?}"),
    }
}

async fn accepts(incoming: &mut Incoming) {
    let accepted = incoming.next().await;
    assert!(matches!(accepted, Accepted::Connection(..)), "{accepted:?}");
}

async fn check(mut incoming: Incoming, addr: SocketAddr, driver: Driver) {
    let first = TcpStream::connect(addr).unwrap();
    // The loop's registration, if there is one, has its descriptors from here on.
    accepts(&mut incoming).await;
    let second = TcpStream::connect(addr).unwrap();
    let none = NoneLeft::new();
    let start = runtime::now();
    assert_eq!(backs_off(&mut incoming).await, Duration::from_millis(50));
    assert_eq!(backs_off(&mut incoming).await, Duration::from_millis(100));
    assert!(runtime::now() - start >= Duration::from_millis(50));

    // The caller ends the pause; the next one is twice as long all the same.
    let start = runtime::now();
    incoming.retry_now();
    assert_eq!(backs_off(&mut incoming).await, Duration::from_millis(200));
    // Simulated time passes only in waits; a busy machine takes any time.
    assert!(driver != Driver::Sim || runtime::now() - start < Duration::from_millis(100));

    // A step that is given up does not shorten the pause.
    let given_up = runtime::timeout(Duration::from_millis(1), incoming.next()).await;
    if let Ok(accepted) = given_up {
        // This flow was stalled until the pause was over.
        assert!(matches!(accepted, Accepted::BackOff { .. }), "{accepted:?}");
        assert!(runtime::now() - start >= Duration::from_millis(200));
    }

    // The connection is still in the queue, and comes when a descriptor is free.
    drop(none);
    accepts(&mut incoming).await;
    drop((first, second));
}

#[test]
fn accepting_pauses_while_no_descriptor_is_left() {
    let mut ways = vec![
        (Model::Blocking, Driver::Poll),
        (Model::Threads, Driver::Poll),
        (Model::Pool, Driver::Poll),
        (Model::Processes, Driver::Poll),
        (Model::Green, Driver::best()),
    ];
    ways.extend(Driver::ALL.map(|driver| (Model::Tasks, driver)));
    for (model, driver) in ways {
        if let Err(error) = driver.open() {
            println!("skip: {model} with {driver}: {error}");
            continue;
        }
        println!("{model} with {driver}");
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().as_tcp().unwrap();
        let check = check(Incoming::new(listener), addr, driver);
        match model.has_loop() {
            true => model.run_with(driver, check).unwrap(),
            false => model.run(check).unwrap(),
        }
    }
}
