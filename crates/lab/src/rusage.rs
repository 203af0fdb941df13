//! The processor time of this process and its reaped children, by `getrusage`, and of others, by their clocks.
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

/// Returns the processor time of a process and all its threads, exact to a nanosecond. Children that it has reaped are
/// not part of it. `None` if there is no such process, or no clock of it.
#[cfg(target_os = "linux")]
pub(crate) fn of_process(pid: u32) -> Option<Duration> {
    let (mut clock, mut time) = (0, MaybeUninit::zeroed());
    // SAFETY: both pointers are valid for what the calls write. All fields of a timespec are numbers, so the zeroed
    // value is initialised even if the call fails.
    let (found, time) = unsafe {
        let found = libc::clock_getcpuclockid(libc::pid_t::try_from(pid).ok()?, &raw mut clock);
        let read: libc::c_int = match found {
            0 => libc::clock_gettime(clock, time.as_mut_ptr()),
            error => error,
        };
        let time: libc::timespec = time.assume_init();
        (read, time)
    };
    (found == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn of_process(_pid: u32) -> Option<Duration> {
    None
}
