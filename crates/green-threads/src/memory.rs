//! What systems do differently with the memory of stacks.
#![allow(unsafe_code)]

use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

/// What whoever touches a guard is sent.
pub(crate) const FAULT: libc::c_int = match cfg!(target_vendor = "apple") {
    true => libc::SIGBUS,
    false => libc::SIGSEGV,
};

/// Reserves address space, whose pages are resident once they are touched.
pub(crate) fn reserve(length: usize) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
    #[cfg(not(target_os = "linux"))]
    let flags = MapFlags::PRIVATE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a mapping of our own, where the kernel likes.
    let start = unsafe { mmap_anonymous(null_mut(), length, access, flags)? };
    #[cfg(target_os = "linux")]
    // SAFETY: as above. A large page would be resident for the first byte of a stack.
    let _ = unsafe { rustix::mm::madvise(start, length, rustix::mm::Advice::LinuxNoHugepage) };
    Ok(start.addr())
}

/// Gives memory back to the system, where that can be done; the addresses stay.
///
/// # Safety
/// Nobody uses it.
pub(crate) unsafe fn give_back(start: usize, length: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        // SAFETY: the caller's promise. Where that fails the memory is merely kept.
        let _ = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, length);
}

/// Has whoever touches this page stopped.
///
/// # Safety
/// It is a page of a reservation, and nobody uses it.
pub(crate) unsafe fn guard(start: usize, page: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::sync::atomic::{AtomicBool, Ordering};
        /// From Linux 6.13: it splits no mapping.
        const MADV_GUARD_INSTALL: i32 = 102;
        static UNKNOWN: AtomicBool = AtomicBool::new(false);
        if !UNKNOWN.load(Ordering::Relaxed) {
            // SAFETY: the caller's promise.
            match unsafe { libc::madvise(start as *mut _, page, MADV_GUARD_INSTALL) } {
                0 => return Ok(()),
                _ => UNKNOWN.store(true, Ordering::Relaxed),
            }
        }
    }
    // SAFETY: as above.
    unsafe { mprotect(start as *mut _, page, MprotectFlags::empty()) }.map_err(io::Error::from)
}
