//! Child processes and their pipes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use switchboard_runtime::process::{Command, Stdio};
use switchboard_runtime::signal::Signal;
use switchboard_runtime::{self as runtime, race};

use crate::ways::Way;

crate::ways::stamp!(
    a_child_reads_and_writes_its_pipes
    a_wait_for_a_child_holds_no_other_wait
    the_status_of_a_child_is_its_own
    children_are_waited_for_in_any_order
    a_dropped_wait_waits_again
    output_has_both_pipes
    a_child_is_killed_on_drop
    a_dropped_child_goes_on
    a_missing_program_is_not_found
);

const MS: Duration = Duration::from_millis(1);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn a_child_reads_and_writes_its_pipes(way: Way) {
    way.run(async {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let sent = vec![b'x'; 300_000];
        let bytes = sent.clone();
        // More than the pipes hold: both directions go on at once.
        let write = async move { stdin.write_all(&bytes).await };
        let (written, read) = runtime::join(write, stdout.read_to_end()).await;
        written.unwrap();
        assert!(read.unwrap() == sent);
        assert!(child.wait().await.unwrap().success());
    });
}

fn a_wait_for_a_child_holds_no_other_wait(way: Way) {
    way.run(async {
        let mut child = shell("read line").stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let ticks = async {
            let mut interval = runtime::interval(MS);
            for _ in 0..5 {
                interval.tick().await;
            }
            stdin.write_all(b"done\n").await
        };
        let (status, written) = runtime::join(child.wait(), ticks).await;
        written.unwrap();
        assert!(status.unwrap().success());
    });
}

fn the_status_of_a_child_is_its_own(way: Way) {
    way.run(async {
        let status = shell("exit 7").status().await.unwrap();
        assert_eq!(status.code(), Some(7));

        let mut child = Command::new("sleep").arg("3600").spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.signal(Signal::TERMINATE).unwrap();
        for _ in 0..2 {
            let status = child.wait().await.unwrap();
            assert_eq!(status.signal(), Some(Signal::TERMINATE.number()));
        }
        child.signal(Signal::TERMINATE).unwrap();
    });
}

fn children_are_waited_for_in_any_order(way: Way) {
    way.run(async {
        let mut children: Vec<_> = (0..5)
            .map(|_| shell("read line").stdin(Stdio::piped()).spawn().unwrap())
            .collect();
        let pipes: Vec<_> = children
            .iter_mut()
            .map(|child| child.stdin.take())
            .collect();
        let waits = runtime::gather(children.iter_mut().map(|child| child.wait()));
        let release = async {
            for pipe in pipes.into_iter().rev() {
                runtime::sleep(MS / 2).await;
                drop(pipe);
            }
        };
        let (statuses, ()) = runtime::join(waits, release).await;
        for status in statuses {
            assert_eq!(status.unwrap().code(), Some(1), "the end of input");
        }
    });
}

fn a_dropped_wait_waits_again(way: Way) {
    way.run(async {
        let mut child = shell("read line; exit 3")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        for _ in 0..5 {
            let late = runtime::timeout(MS / 2, child.wait()).await;
            assert!(late.is_err(), "{late:?}");
        }
        drop(stdin);
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
    });
}

fn output_has_both_pipes(way: Way) {
    way.run(async {
        // Each pipe alone is more than a pipe holds.
        let script =
            "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2; read line || echo end";
        let output = shell(script).output().await.unwrap();
        assert!(output.status.success());
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_004, 200_000)
        );
        assert!(output.stdout.ends_with(b"end\n"));
    });
}

fn a_child_is_killed_on_drop(way: Way) {
    way.run(async {
        let mut command = Command::new("sleep");
        command
            .arg("3600")
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let never = async { child.wait().await.map(|_| ()) };
        race(never, async {
            runtime::sleep(MS).await;
            Ok(())
        })
        .await
        .unwrap();
        drop(child);
        // Ends once the process has.
        assert_eq!(stdout.read_to_end().await.unwrap(), b"");
    });
}

fn a_dropped_child_goes_on(way: Way) {
    way.run(async {
        let mut command = shell("read line; echo $line");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        drop(child);
        stdin.write_all(b"on\n").await.unwrap();
        assert_eq!(stdout.read_to_end().await.unwrap(), b"on\n");
    });
}

fn a_missing_program_is_not_found(way: Way) {
    way.run(async {
        let error = Command::new("no-such-program-here")
            .status()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}
