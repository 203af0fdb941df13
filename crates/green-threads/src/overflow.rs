//! What happens to who runs over its stack: the process ends, and says who it was and what helps.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt::Write;
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use libc::{c_int, c_void, siginfo_t};

use crate::memory::FAULT;
use crate::{stacks, thread};

/// Bytes of a signal stack: enough for the handler's message.
const SIGNAL_STACK: usize = 64 * 1024;

/// Who handled it before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Handles faults from here on; those that are not ours go to who handled them before.
pub(crate) fn watch() -> io::Result<()> {
    // SAFETY: all fields are plain numbers; the handler keeps to what a handler may do.
    unsafe {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(FAULT, std::ptr::null(), &raw mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        if BEFORE.set(before).is_err() {
            return Ok(());
        }
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        match libc::sigaction(FAULT, &raw const action, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Gives this thread a stack for signals, unless it has one, as threads of the standard library do.
pub(crate) fn prepare_thread() {
    thread_local! {
        static PREPARED: Cell<bool> = const { Cell::new(false) };
    }
    if PREPARED.replace(true) {
        return;
    }
    // SAFETY: the memory is leaked: the kernel may use it until the thread is gone.
    unsafe {
        let mut now = MaybeUninit::<libc::stack_t>::zeroed().assume_init();
        libc::sigaltstack(std::ptr::null(), &raw mut now);
        if now.ss_flags & libc::SS_DISABLE != 0 {
            let memory = Box::leak(vec![0_u8; SIGNAL_STACK].into_boxed_slice());
            let stack = libc::stack_t {
                ss_sp: memory.as_mut_ptr().cast(),
                ss_flags: 0,
                ss_size: SIGNAL_STACK,
            };
            libc::sigaltstack(&raw const stack, std::ptr::null_mut());
        }
    }
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's, for this call.
    let address = unsafe { (*info).si_addr() }.addr();
    if stacks::is_guard(address) {
        let size = stacks::size();
        let mut text = Text([0; 512], 0);
        let _ = match thread::current() {
            Some((number, place)) => write!(text, "green thread {number}, made at {place},"),
            None => write!(text, "a green thread"),
        };
        let _ = writeln!(
            text,
            " ran over its stack of {size} bytes: call switchboard's green::set_stack_size({}) before the \
             first green thread is made",
            size * 4
        );
        // SAFETY: bytes of our own; and this is the end.
        unsafe {
            libc::write(libc::STDERR_FILENO, text.0.as_ptr().cast(), text.1);
            libc::abort();
        }
    }
    let Some(before) = BEFORE.get() else { return };
    // SAFETY: called as the kernel would have.
    unsafe {
        if before.sa_sigaction == libc::SIG_DFL || before.sa_sigaction == libc::SIG_IGN {
            // It comes again, and then it is not handled.
            libc::signal(FAULT, libc::SIG_DFL);
        } else if before.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                std::mem::transmute(before.sa_sigaction);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(c_int) = std::mem::transmute(before.sa_sigaction);
            handler(signal);
        }
    }
}

/// Text without allocation; what is too long is cut.
struct Text([u8; 512], usize);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = &mut self.0[self.1..];
        let length = text.len().min(room.len());
        room[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.1 += length;
        Ok(())
    }
}
