//! What this process and its ended children used, as the kernel counts it.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

/// User and system time of this process, its threads, and the children it has waited for.
pub(crate) fn cpu() -> (Duration, Duration) {
    let (a, b) = (usage(libc::RUSAGE_SELF), usage(libc::RUSAGE_CHILDREN));
    (
        time(a.ru_utime) + time(b.ru_utime),
        time(a.ru_stime) + time(b.ru_stime),
    )
}

fn usage(who: libc::c_int) -> libc::rusage {
    let mut usage = MaybeUninit::zeroed();
    // SAFETY: `usage` is a rusage for the kernel to fill, and all zeros are a valid one should the
    // call fail, which it doesn't for these two values of `who`.
    unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    }
}

fn time(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}
