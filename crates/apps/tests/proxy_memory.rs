//! The memory that a connection takes whose one side writes fast and whose other side reads slowly.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_apps::proxy::{Check, Proxy, Settings};
use switchboard_runtime::{self as runtime, Driver, Model};

/// Counts the bytes that are allocated, and the most that were.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's, with the arguments it was called with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What the client reads, of a back end that always has more.
const READ: usize = 20_000_000;

fn settings(back_end: &TcpListener) -> Settings {
    let mut settings = Settings::default();
    settings.pools[0].check = Check::Off;
    settings.pools[0].to = vec![back_end.local_addr().unwrap().to_string().parse().unwrap()];
    settings
}

/// Returns the most bytes that were allocated at once while a slow client read from a fast back end, above
/// those of before.
fn most_held(model: Model, driver: Driver) -> usize {
    let back_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::new(settings(&back_end)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let writing = std::thread::spawn(move || {
        static BYTES: [u8; 1 << 20] = [7; 1 << 20];
        let (mut stream, _) = back_end.accept().unwrap();
        while stream.write_all(&BYTES).is_ok() {}
    });
    let reading = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        let mut buffer = [0; 10_000];
        let mut left = READ;
        while left > 0 {
            left -= stream.read(&mut buffer).unwrap().min(left);
        }
    });
    let client = listener.accept().unwrap().0.into();
    let serve = async {
        // io_uring has buffers of its loop for the kernel to write to, from the loop's first wait on.
        runtime::sleep(Duration::from_millis(1)).await;
        let before = LIVE.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        proxy.serve(client).await.unwrap_err();
        MOST.load(Ordering::Relaxed) - before
    };
    let most = match model.has_loop() {
        true => model.run_with(driver, serve).unwrap(),
        false => model.run(serve).unwrap(),
    };
    reading.join().unwrap();
    writing.join().unwrap();
    most
}

#[test]
fn a_slow_reader_of_a_fast_writer_takes_one_buffer() {
    let ways = [
        (Model::Threads, Driver::Poll),
        (Model::Tasks, Driver::Poll),
        (Model::Tasks, Driver::Epoll),
        (Model::Tasks, Driver::Uring),
        (Model::Green, Driver::Epoll),
    ];
    for (model, driver) in ways {
        // Each on a thread of its own, which has no buffers from before.
        let measured = std::thread::spawn(move || most_held(model, driver));
        let most = measured.join().unwrap();
        println!("{model}/{driver}: {most} bytes");
        // One chunk; io_uring may have a spare one.
        let chunks = if driver == Driver::Uring { 2 } else { 1 };
        assert!(
            most <= chunks * 64 * 1024 + 4096,
            "{model}/{driver}: {most} bytes"
        );
    }
}
