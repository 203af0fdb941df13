//! A forked child can drop the sockets of its parent's loop, and wait for its own.
//!
//! Without the test harness, because a process with threads must not fork.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
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

fn main() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
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
