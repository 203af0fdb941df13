//! Stack overflow: a signal handler ends the process with a message that names the green thread and the
//! remedy.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fmt::Write;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Mutex, OnceLock, PoisonError};

use libc::{c_int, c_void, siginfo_t};

use crate::memory::FAULT;
use crate::{current, stacks};

/// Bytes of a signal stack, enough to format the handler's message.
const SIGNAL_STACK: usize = 64 * 1024;

/// The action that handled faults before this crate's handler.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Prepares this thread to run green threads: installs the process's fault handler and gives the thread
/// a signal stack. Every call on a thread after the first is one look at a flag.
#[inline]
pub(crate) fn prepare_thread() -> io::Result<()> {
    thread_local! {
        static PREPARED: Cell<bool> = const { Cell::new(false) };
    }
    if PREPARED.get() {
        return Ok(());
    }
    install_handler()?;
    install_signal_stack();
    PREPARED.set(true);
    Ok(())
}

/// Installs the handler, once in a process. Faults outside guard pages go on to the previous action.
#[cold]
fn install_handler() -> io::Result<()> {
    /// Locked until the handler is in place, so that no other thread runs a stack before that.
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    // SAFETY: all fields of a sigaction are plain numbers, for which zero is valid; the handler makes
    // only calls that are safe in a signal handler.
    unsafe {
        let mut previous = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        if libc::sigaction(FAULT, std::ptr::null(), &raw mut previous) != 0 {
            return Err(io::Error::last_os_error());
        }
        // The handler reads the previous action, so that is stored first.
        PREVIOUS.get_or_init(|| previous);
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        if libc::sigaction(FAULT, &raw const action, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    *installed = true;
    Ok(())
}

/// Gives this thread a signal stack unless it has one, as threads of the standard library do.
#[cold]
fn install_signal_stack() {
    // SAFETY: all fields of a stack_t are plain, and zero is valid for each. The memory is leaked,
    // because the kernel may write to it until the thread ends.
    unsafe {
        let mut present = MaybeUninit::<libc::stack_t>::zeroed().assume_init();
        libc::sigaltstack(std::ptr::null(), &raw mut present);
        if present.ss_flags & libc::SS_DISABLE != 0 {
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
    // SAFETY: the kernel passes a valid siginfo_t for the length of this call.
    let address = unsafe { (*info).si_addr() }.addr();
    if stacks::is_guard(address) {
        abort_with_message();
    }
    let Some(previous) = PREVIOUS.get() else {
        return;
    };
    // SAFETY: the previous action's handler is called with the arguments and the signature that the
    // kernel would have used, by its flags.
    unsafe {
        if previous.sa_sigaction == libc::SIG_DFL || previous.sa_sigaction == libc::SIG_IGN {
            // The faulting instruction runs again, and the default action then ends the process.
            libc::signal(FAULT, libc::SIG_DFL);
        } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                std::mem::transmute(previous.sa_sigaction);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(c_int) = std::mem::transmute(previous.sa_sigaction);
            handler(signal);
        }
    }
}

/// Writes which green thread overflowed and what to do, and aborts. Allocates nothing.
fn abort_with_message() -> ! {
    let size = stacks::size();
    let mut text = Text([0; 512], 0);
    let _ = match current::name() {
        Some((number, place)) => write!(text, "green thread {number}, made at {place},"),
        None => write!(text, "a green thread"),
    };
    let _ = writeln!(
        text,
        " ran over its stack of {size} bytes: call switchboard's green::set_stack_size({}) before the \
         first green thread is made",
        size * 4
    );
    // SAFETY: the pointer and the length describe the initialised bytes of `text`.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.0.as_ptr().cast(), text.1);
        libc::abort();
    }
}

/// A text buffer without allocation: the bytes and their number. Text beyond the end is cut.
struct Text([u8; 512], usize);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let free = &mut self.0[self.1..];
        let length = text.len().min(free.len());
        free[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.1 += length;
        Ok(())
    }
}
