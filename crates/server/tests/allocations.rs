//! The allocations of a server: nothing for a round trip, a socket and a task for a connection.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_net::Stream;
use switchboard_reactor::Quiet;
use switchboard_server::{Driver, Model, Server};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's, with the arguments it was called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn round(clients: &mut [TcpStream]) {
    for client in &mut *clients {
        client.write_all(&[7; 64]).unwrap();
    }
    for client in clients {
        client.read_exact(&mut [0; 64]).unwrap();
    }
}

/// The first byte of a message at which the handler, and with it the loop's thread, waits for [`GATE`].
const HOLD: u8 = 1;

static GATE: Mutex<()> = Mutex::new(());

/// Sends messages on all connections while the loop's thread waits, so that one turn of the loop handles
/// all of them. No round has more messages under way, so queues and pools grow no further afterwards.
fn burst(clients: &mut [TcpStream]) {
    let gate = GATE.lock().unwrap();
    let (first, others) = clients.split_first_mut().unwrap();
    first.write_all(&[HOLD; 64]).unwrap();
    for client in &mut *others {
        client.write_all(&[7; 64]).unwrap();
    }
    first.write_all(&[7; 64]).unwrap();
    drop(gate);
    first.read_exact(&mut [0; 128]).unwrap();
    for client in others {
        client.read_exact(&mut [0; 64]).unwrap();
    }
}

/// The counter is one for the process, so that the tests must not run at the same time.
static ALONE: Mutex<()> = Mutex::new(());

async fn echo(stream: Stream) -> std::io::Result<()> {
    loop {
        let chunk = stream.recv().await?;
        if chunk.is_empty() {
            return Ok(());
        }
        if chunk[0] == HOLD {
            drop(GATE.lock().unwrap());
        }
        stream.write_all(&chunk).await?;
    }
}

/// Returns a server that does not report stalls, which a busy machine causes: the report's text would be an
/// allocation.
fn quiet(driver: Driver) -> Server {
    let server = Server::new().model(Model::Tasks).driver(driver);
    server.hooks(Arc::new(Quiet))
}

/// Connects, has a message echoed, and waits for the server's end of the connection.
fn visit(addr: SocketAddr) {
    let mut client = TcpStream::connect(addr).unwrap();
    client.write_all(&[7; 64]).unwrap();
    client.read_exact(&mut [0; 64]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connection_allocates_its_socket_and_its_task() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = quiet(Driver::Epoll);
    let bound = server.bind("127.0.0.1:0").unwrap();
    let addr = bound.local_addr().as_tcp().unwrap();
    let stop = bound.stop_handle();
    let client = std::thread::spawn(move || {
        // Tables and pools find their sizes first.
        (0..1000).for_each(|_| visit(addr));
        // An allocation of another thread, such as the test harness's, shows in one part only.
        let least = (0..3).map(|_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            (0..1000).for_each(|_| visit(addr));
            ALLOCATIONS.load(Ordering::Relaxed) - before
        });
        let least = least.min();
        stop.stop();
        least
    });
    assert_eq!(bound.serve(echo).unwrap().accepted, 4000);
    let allocated = client.join().unwrap().unwrap();
    println!("{allocated} for 1000 connections");
    assert!(allocated <= 2 * 1000, "{allocated} for 1000 connections");
}

#[test]
fn a_round_trip_allocates_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for driver in [
        Driver::Select,
        Driver::Poll,
        Driver::Epoll,
        Driver::Uring,
        Driver::Portable,
    ] {
        let server = quiet(driver);
        let bound = server.bind("127.0.0.1:0").unwrap();
        let addr = bound.local_addr().as_tcp().unwrap();
        let stop = bound.stop_handle();
        let client = std::thread::spawn(move || {
            let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(addr).unwrap()).collect();
            (0..100).for_each(|_| burst(&mut clients));
            // An allocation of another thread, such as the test harness's, shows in one part only; those
            // of a round trip show in all parts.
            let mut allocated = (0..3).map(|_| {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                (0..1000).for_each(|_| round(&mut clients));
                ALLOCATIONS.load(Ordering::Relaxed) - before
            });
            let none = allocated.any(|allocated| allocated == 0);
            stop.stop();
            none
        });
        let served = bound.serve(echo);
        assert_eq!(served.unwrap().accepted, 50);
        let none = client.join().unwrap();
        assert!(none, "tasks/{driver}: a round trip allocates");
    }
}
