//! The memory that a connection takes whose one side writes fast and whose other side reads slowly.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_apps::proxy::{Check, Mode, Proxy, Settings};
use switchboard_net::Chunk;
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

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";

fn settings(mode: Mode, back_end: &TcpListener) -> Settings {
    let mut settings = Settings {
        mode,
        ..Settings::default()
    };
    settings.pools[0].check = Check::Off;
    settings.pools[0].to = vec![back_end.local_addr().unwrap().to_string().parse().unwrap()];
    settings
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// Returns the most bytes that were allocated at once while a slow client read from a fast back end, above
/// those of before. In mode http the connection has left HTTP.
fn most_held(mode: Mode, model: Model, driver: Driver) -> usize {
    let back_end = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::new(settings(mode, &back_end)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let writing = std::thread::spawn(move || {
        static BYTES: [u8; 1 << 20] = [7; 1 << 20];
        let (mut stream, _) = back_end.accept().unwrap();
        if mode == Mode::Http {
            read_head(&mut stream);
            stream.write_all(SWITCH).unwrap();
        }
        while stream.write_all(&BYTES).is_ok() {}
    });
    let reading = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        if mode == Mode::Http {
            stream.write_all(ASK).unwrap();
            read_head(&mut stream);
            stream.read_exact(&mut vec![0; 1_000_000]).unwrap();
            // What only the heads took is freed.
            MOST.store(LIVE.load(Ordering::Relaxed), Ordering::Relaxed);
        }
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
        if mode == Mode::Http {
            // The spare one of the thread, into which a socket without bytes is read while another chunk is held.
            drop(Chunk::empty());
        }
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
        for mode in [Mode::Tcp, Mode::Http] {
            // Each on a thread of its own, which has no buffers from before.
            let measured = std::thread::spawn(move || most_held(mode, model, driver));
            let most = measured.join().unwrap();
            println!("{mode} {model}/{driver}: {most} bytes");
            // One chunk; io_uring may have a spare one.
            let chunks = if driver == Driver::Uring { 2 } else { 1 };
            assert!(
                most <= chunks * 64 * 1024 + 4096,
                "{mode} {model}/{driver}: {most} bytes"
            );
        }
    }
}
