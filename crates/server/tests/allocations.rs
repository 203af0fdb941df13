//! An echo round trip on a loop allocates nothing.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

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

#[test]
fn a_round_trip_allocates_nothing() {
    for driver in [
        Driver::Select,
        Driver::Poll,
        Driver::Epoll,
        Driver::Uring,
        Driver::Portable,
    ] {
        let server = Server::new().model(Model::Tasks).driver(driver);
        let bound = server.bind("127.0.0.1:0").unwrap();
        let addr = bound.local_addr().as_tcp().unwrap();
        let stop = bound.stop_handle();
        let client = std::thread::spawn(move || {
            let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(addr).unwrap()).collect();
            // Queues and pools find their sizes in the first rounds, and some as late as the first
            // burst; what a round trip allocates shows in all of them.
            let mut allocated = (0..3).map(|_| {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                (0..1000).for_each(|_| round(&mut clients));
                ALLOCATIONS.load(Ordering::Relaxed) - before
            });
            let none = allocated.any(|allocated| allocated == 0);
            stop.stop();
            none
        });
        let served = bound.serve(|stream| async move {
            loop {
                let chunk = stream.recv().await?;
                if chunk.is_empty() {
                    return Ok(());
                }
                stream.write_all(&chunk).await?;
            }
        });
        assert_eq!(served.unwrap().accepted, 50);
        let none = client.join().unwrap();
        assert!(none, "tasks/{driver}: a round trip allocates");
    }
}
