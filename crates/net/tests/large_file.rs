//! A file of 1 GiB, sent to a peer that reads slowly, takes no memory of this process.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Read;

use switchboard_net::Stream;
use switchboard_runtime::{Driver, Model};

const LENGTH: u64 = 1 << 30;

/// Returns a line of this process's status, in KiB.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
fn a_large_file_takes_no_memory() {
    let path = std::env::temp_dir().join(format!("switchboard-{}", std::process::id()));
    let file = File::create_new(&path).unwrap();
    file.set_len(LENGTH).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let loops = [Driver::Epoll, Driver::Uring].map(|driver| (Model::Tasks, Some(driver)));
    for (model, driver) in loops.into_iter().chain([(Model::Threads, None)]) {
        let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let (mut buffer, mut read) = ([0; 16 * 1024], 0);
            loop {
                match there.read(&mut buffer).unwrap() {
                    0 => return read,
                    length => read += length as u64,
                }
            }
        });
        let stream = Stream::from(here);
        let before = status("VmRSS:");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let mut range = 0..LENGTH;
        let send = stream.send_file(&file, &mut range);
        match driver {
            Some(driver) => model.run_with(driver, send),
            None => model.run(send),
        }
        .unwrap()
        .unwrap();
        let most = status("VmHWM:");
        drop(stream);
        assert_eq!(reader.join().unwrap(), LENGTH);
        let grown = most.saturating_sub(before);
        println!("{model} {driver:?}: {grown} KiB");
        assert!(grown < 4 * 1024, "{model} {driver:?}: {grown} KiB");
    }
}
