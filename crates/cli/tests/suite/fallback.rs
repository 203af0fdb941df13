//! Where io_uring is forbidden, as in many containers, `epoll` replaces it.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::served::{BINARY, Served, round_trip};

/// Makes the system call of this number fail with EPERM in this process and its children.
fn forbid(number: i64) -> io::Result<()> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    let mut steps = [
        // The number of the system call is the first field of the filter's input.
        step(LOAD, 0, 0),
        step(EQUAL, 1, number as u32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ];
    let filter = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the filter and its steps live until the calls return.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0
    };
    set.then_some(()).ok_or_else(io::Error::last_os_error)
}

fn without_uring() -> Command {
    let mut command = Command::new(BINARY);
    // SAFETY: between fork and exec the closure only makes system calls, which are safe there.
    unsafe { command.pre_exec(|| forbid(libc::SYS_io_uring_setup)) };
    command
}

#[test]
fn a_server_falls_back_to_epoll_and_prints_why() {
    for name in ["uring", "auto"] {
        let options = ["echo", "--listen", "127.0.0.1:0", "--driver", name];
        let served = Served::start_command(without_uring(), &options);
        round_trip(&mut served.connect());
        let stderr = served.stop();
        assert!(stderr.contains("echo under tasks/epoll"), "{stderr}");
        let told = stderr.contains("no io_uring") && stderr.contains("kernel.io_uring_disabled");
        assert_eq!(told, name == "uring", "{stderr}");
        assert!(
            stderr.contains("accepted 1, panicked 0, failed 0"),
            "{stderr}"
        );
    }
}

#[test]
fn fetch_falls_back_to_epoll_and_prints_why() {
    let site = ["slow-site", "--listen", "127.0.0.1:0", "--latency", "1ms"];
    let site = Served::start(&site, None);
    let mut fetch = without_uring();
    fetch.args(["fetch", "--driver", "uring"]);
    fetch.arg(format!("http://{}/page/1", site.addr));
    let output = fetch.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("going on with epoll"), "{stderr}");
}
