//! A green thread that runs over its stack ends the process with a message. Without the test harness,
//! since the process is this one, started anew.

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

fn run_over() -> ExitCode {
    let green = Green::new(|| deeper(0)).unwrap();
    std::hint::black_box(futures_lite::future::block_on(green));
    ExitCode::SUCCESS
}

/// A fault that is no green thread's is still the standard library's to tell.
fn run_over_a_thread() -> ExitCode {
    drop(Green::new(|| ()).unwrap());
    std::hint::black_box(deeper(0));
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    match std::env::var("RUN_OVER").as_deref() {
        Ok("green") => return run_over(),
        Ok("thread") => return run_over_a_thread(),
        _ => {}
    }
    let mut status = ExitCode::SUCCESS;
    for (who, says) in [
        (
            "green",
            ["green thread 1, made at", "green::set_stack_size("],
        ),
        ("thread", ["has overflowed its stack", "main"]),
    ] {
        let ended = Command::new(std::env::current_exe().unwrap())
            .env("RUN_OVER", who)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        let told = says.iter().all(|text| said.contains(text));
        let result = match told && ended.status.signal() == Some(libc::SIGABRT) {
            true => "ok".to_owned(),
            false => {
                status = ExitCode::FAILURE;
                format!("FAILED: {:?}: {said}", ended.status)
            }
        };
        println!("test who_runs_over_is_named::{who} ... {result}");
    }
    status
}
