//! A forked child can drop the sockets of its parent's loop, wait for its own, and copies through pipes of its
//! own.
//!
//! Without the test harness, because a process with threads must not fork.

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
#[cfg(target_os = "linux")]
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use switchboard_net::{Listener, Stream};
use switchboard_process::{ExitStatus, fork};
use switchboard_runtime::{self as runtime, Driver, Model};

fn check(driver: Driver) -> std::io::Result<ExitStatus> {
    let (here, there) = UnixStream::pair()?;
    let (stream, listener) = (Stream::from(here), Listener::bind("127.0.0.1:0")?);
    let addr = listener.local_addr()?.to_string();
    Model::Tasks.run_with(driver, async move {
        // Makes the driver know both sockets.
        let _client = TcpStream::connect(addr)?;
        listener.accept().await?;
        let _ = runtime::timeout(Duration::from_millis(1), stream.recv()).await;
        let _ = runtime::timeout(Duration::from_millis(1), listener.accept()).await;
        let parents = (stream, listener);
        let child = fork(move || {
            drop(parents);
            let Ok((here, mut there)) = UnixStream::pair() else {
                return 2;
            };
            if there.write_all(b"hello").is_err() {
                return 3;
            }
            let stream = Stream::from(here);
            match Model::Blocking.run(async { stream.recv().await }) {
                Ok(Ok(chunk)) if &*chunk == b"hello" => 0,
                _ => 4,
            }
        })?;
        let status = child.wait();
        drop(there);
        status
    })?
}

/// Returns the pipes that this process has open, by their names.
#[cfg(target_os = "linux")]
fn pipes() -> BTreeSet<PathBuf> {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap();
    let names = fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    names
        .filter(|name| name.to_string_lossy().starts_with("pipe:"))
        .collect()
}

/// Copies so many bytes that they go through a pipe, and returns the pipes that are open after that and are not
/// in `before`.
#[cfg(target_os = "linux")]
fn copy_by_pipe(before: &BTreeSet<PathBuf>) -> std::io::Result<BTreeSet<PathBuf>> {
    const LENGTH: usize = 100_000;
    let ((from, mut source), (to, sink)) = (UnixStream::pair()?, UnixStream::pair()?);
    source.write_all(&[0; LENGTH])?;
    drop(source);
    let (from, to) = (Stream::from(from), Stream::from(to));
    let copied = Model::Processes.run(switchboard_net::copy(&from, &to))??;
    assert_eq!(copied, LENGTH as u64);
    drop(sink);
    Ok(pipes().difference(before).cloned().collect())
}

#[cfg(target_os = "linux")]
fn check_copies() -> std::io::Result<ExitStatus> {
    let before = pipes();
    let parents = copy_by_pipe(&before)?;
    assert!(!parents.is_empty(), "the pipe is kept for the next copy");
    fork(|| match copy_by_pipe(&before) {
        Ok(own) if !own.is_empty() && own.is_disjoint(&parents) => 0,
        own => {
            println!("the parent's: {parents:?}, the child's: {own:?}");
            1
        }
    })?
    .wait()
}

fn main() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    #[cfg(target_os = "linux")]
    match check_copies() {
        Ok(ExitStatus::Exited(0)) => println!("test a_child_copies_by_pipes_of_its_own ... ok"),
        other => {
            status = ExitCode::FAILURE;
            println!("test a_child_copies_by_pipes_of_its_own ... FAILED: {other:?}");
        }
    }
    for driver in Driver::ALL {
        if let Err(error) = driver.open() {
            println!("skip: fork with {driver}: {error}");
            continue;
        }
        let said = match check(driver) {
            Ok(ExitStatus::Exited(0)) => "ok".to_owned(),
            other => {
                status = ExitCode::FAILURE;
                format!("FAILED: {other:?}")
            }
        };
        println!("test a_child_can_drop_its_parents_sockets::{driver} ... {said}");
    }
    status
}
