//! The process that measures is a child, set apart. Its parent waits: it is what a terminal or a script can
//! end, and then it ends all.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::process::exit;

use crate::contenders::set_apart;
use crate::site;

/// Goes on in a child that is set apart; its parent must have one thread.
///
/// # Errors
/// The system's.
pub fn apart() -> io::Result<()> {
    // SAFETY: there is one thread, so the child may do what its parent might.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => set_apart(libc::SIGKILL),
        child => exit(wait(child)),
    }
}

/// Waits for the child, or for a signal, which ends the child, its servers and their folder. Returns the status
/// to end with.
fn wait(child: i32) -> i32 {
    let ends = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    let mut set = MaybeUninit::uninit();
    let mut status = 0;
    // SAFETY: the set is made before it is read, and all else is numbers.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in ends.into_iter().chain([libc::SIGCHLD]) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        while libc::waitpid(child, &raw mut status, libc::WNOHANG) == 0 {
            let mut signal = 0;
            libc::sigwait(set.as_ptr(), &raw mut signal);
            if ends.contains(&signal) {
                let all = switchboard_lab::tree(child.cast_unsigned());
                for pid in all {
                    libc::kill(pid.cast_signed(), libc::SIGKILL);
                }
                libc::waitpid(child, &raw mut status, 0);
                let _ = fs::remove_dir_all(site::folder(child.cast_unsigned()));
                return 128 + signal;
            }
        }
    }
    match libc::WIFEXITED(status) {
        true => libc::WEXITSTATUS(status),
        false => 1,
    }
}
