//! The processor time of this process and its reaped children, by `getrusage`.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

/// Returns the user and system time of this process, all its threads, and its reaped children.
pub(crate) fn cpu() -> (Duration, Duration) {
    let (a, b) = (usage(libc::RUSAGE_SELF), usage(libc::RUSAGE_CHILDREN));
    (
        time(a.ru_utime) + time(b.ru_utime),
        time(a.ru_stime) + time(b.ru_stime),
    )
}

fn usage(who: libc::c_int) -> libc::rusage {
    let mut usage = MaybeUninit::zeroed();
    // SAFETY: the pointer is valid for one rusage. All fields are numbers, so the zeroed value is
    // initialised even if the call fails, which it does not for these two values of `who`.
    unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    }
}

fn time(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}
