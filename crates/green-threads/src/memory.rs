//! The system calls for stack memory, which differ between systems.
#![allow(unsafe_code)]

use std::io;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

/// The signal that an access to a guard page raises.
pub(crate) const FAULT: libc::c_int = match cfg!(target_vendor = "apple") {
    true => libc::SIGBUS,
    false => libc::SIGSEGV,
};

/// Reserves address space. A page becomes resident when it is first touched.
pub(crate) fn reserve(length: usize) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
    #[cfg(not(target_os = "linux"))]
    let flags = MapFlags::PRIVATE;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps no memory in use.
    let start = unsafe { mmap_anonymous(null_mut(), length, access, flags)? };
    // With huge pages the first byte of one stack would make 2 MiB resident.
    #[cfg(target_os = "linux")]
    // SAFETY: the range is the mapping just made; the advice changes no contents.
    let _ = unsafe { rustix::mm::madvise(start, length, rustix::mm::Advice::LinuxNoHugepage) };
    Ok(start.addr())
}

/// Returns memory to the system where the system supports that; the addresses stay reserved.
///
/// # Safety
/// Nothing reads or writes the range's present contents again.
pub(crate) unsafe fn give_back(start: usize, length: usize) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        // SAFETY: by the caller's promise the contents are not needed. After an error they are kept.
        let _ = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, length);
}

/// Makes a page inaccessible, so that an access raises [`FAULT`].
///
/// # Safety
/// The page belongs to a reservation, and nothing uses it.
pub(crate) unsafe fn guard(start: usize, page: usize) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::sync::atomic::{AtomicBool, Ordering};
        /// Known to Linux from 6.13 on. Unlike `mprotect` the advice splits no mapping.
        const MADV_GUARD_INSTALL: i32 = 102;
        static UNSUPPORTED: AtomicBool = AtomicBool::new(false);
        if !UNSUPPORTED.load(Ordering::Relaxed) {
            // SAFETY: by the caller's promise nothing uses the page.
            match unsafe { libc::madvise(start as *mut _, page, MADV_GUARD_INSTALL) } {
                0 => return Ok(()),
                _ => UNSUPPORTED.store(true, Ordering::Relaxed),
            }
        }
    }
    // SAFETY: by the caller's promise nothing uses the page.
    unsafe { mprotect(start as *mut _, page, MprotectFlags::empty()) }.map_err(io::Error::from)
}

/// Tells AddressSanitizer that a stack holds no live variables.
///
/// The first frame of a green thread never returns: it switches away for the last time. So nothing takes
/// back what that frame told AddressSanitizer of its variables, and the next green thread on the same
/// stack, whose frames lie elsewhere, would be reported for using them.
#[cfg(asan)]
pub(crate) fn unpoison(start: usize, length: usize) {
    unsafe extern "C" {
        fn __asan_unpoison_memory_region(start: *const libc::c_void, length: usize);
    }
    // SAFETY: the call changes what AddressSanitizer knows of the range, and not the range itself.
    unsafe { __asan_unpoison_memory_region(start as *const _, length) };
}
