//! A stack overflow ends the process with a message. The test has no harness, because it starts its own
//! program again as the process that overflows.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};

use switchboard_green_threads::Green;

fn deeper(level: u64) -> u64 {
    let here = std::hint::black_box([level; 64]);
    if level == u64::MAX {
        return 0;
    }
    deeper(level + 1) + here[7]
}

fn overflow_green_thread() -> ExitCode {
    let green = Green::new(|| deeper(0)).unwrap();
    std::hint::black_box(futures_lite::future::block_on(green));
    ExitCode::SUCCESS
}

/// The standard library still reports the overflow of a thread.
fn overflow_main_thread() -> ExitCode {
    drop(Green::new(|| ()).unwrap());
    std::hint::black_box(deeper(0));
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    match std::env::var("OVERFLOW").as_deref() {
        Ok("green") => return overflow_green_thread(),
        Ok("thread") => return overflow_main_thread(),
        _ => {}
    }
    let mut status = ExitCode::SUCCESS;
    for (overflows, expected) in [
        (
            "green",
            ["green thread 1, made at", "green::set_stack_size("],
        ),
        ("thread", ["has overflowed its stack", "main"]),
    ] {
        let ended = Command::new(std::env::current_exe().unwrap())
            .env("OVERFLOW", overflows)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        let complete = expected.iter().all(|text| stderr.contains(text));
        let result = match complete && ended.status.signal() == Some(libc::SIGABRT) {
            true => "ok".to_owned(),
            false => {
                status = ExitCode::FAILURE;
                format!("FAILED: {:?}: {stderr}", ended.status)
            }
        };
        println!("test an_overflow_names_its_stack::{overflows} ... {result}");
    }
    status
}
