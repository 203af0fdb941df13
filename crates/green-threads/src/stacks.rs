//! Stacks: reservations of address space, each cut into equal places.
//!
//! ```text
//!   low                                                       high
//!   ┌───────┬──────────────┬───────┬──────────────┬── ─ ─ ─ ──┐
//!   │ guard │ stack     ◄─ │ guard │ stack     ◄─ │           │
//!   └───────┴──────────────┴───────┴──────────────┴── ─ ─ ─ ──┘
//!   a place: used again by the thread that had it last, else by any
//! ```
//!
//! Reservations double and are never given back; their memory is. Where the kernel has
//! `MADV_GUARD_INSTALL` (Linux 6.13) a guard splits no mapping, so that stacks are bounded by memory alone;
//! elsewhere each guard is a mapping, and there are at most half of `vm.max_map_count` stacks.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use corosensei::stack::StackPointer;

use crate::{memory, overflow};

/// Bytes of a place, its guard included, unless another size is set. Small: the kernel keeps tables for
/// all of the address space that is touched somewhere. What is not optimized needs several times as much.
const SIZE: usize = match cfg!(debug_assertions) {
    true => 512 * 1024,
    false => 128 * 1024,
};

/// The least that panics and formatting get along with.
const LEAST: usize = 16 * 1024;

/// Places of the first reservation.
const FIRST: usize = 1024;

/// Reservations, each twice as large as the one before.
const REGIONS: usize = 20;

/// Places that a thread keeps with their memory; of what is more, half goes back without.
const KEPT: usize = 256;

static STACK_SIZE: AtomicUsize = AtomicUsize::new(SIZE);

/// A reservation, as the signal handler reads it too.
pub(crate) struct Region {
    start: AtomicUsize,
    length: AtomicUsize,
}

#[expect(clippy::declare_interior_mutable_const, reason = "an initial value")]
const NO_REGION: Region = Region {
    start: AtomicUsize::new(0),
    length: AtomicUsize::new(0),
};

static ALL: [Region; REGIONS] = [NO_REGION; REGIONS];

/// What threads share.
struct Shared {
    /// Places that were used, by their lowest address.
    free: Vec<usize>,
    regions: usize,
    /// Of the last reservation: what was never used.
    fresh: std::ops::Range<usize>,
    /// Places that have a guard.
    created: usize,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared {
    free: Vec::new(),
    regions: 0,
    fresh: 0..0,
    created: 0,
});

fn shared() -> MutexGuard<'static, Shared> {
    // Nothing is left half-done under this lock.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Local(Vec<usize>);

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local(Vec::new())) };
}

impl Drop for Local {
    fn drop(&mut self) {
        shared().free.append(&mut self.0);
    }
}

/// Sets how large stacks are, in bytes, guard included; rounded up to pages.
///
/// # Errors
/// `InvalidInput` below 16 KiB; `ResourceBusy` once the first green thread was made.
pub fn set_stack_size(bytes: usize) -> io::Result<()> {
    if bytes < LEAST {
        let text = format!("a stack of {bytes} bytes: at least {LEAST} are needed");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let shared = shared();
    if shared.regions > 0 {
        let text = "stacks are cut already: set their size before the first green thread is made";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
    }
    STACK_SIZE.store(bytes.next_multiple_of(page()), Ordering::Relaxed);
    Ok(())
}

/// What there is of stacks in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of each, guard included.
    pub size: usize,
    /// How many were ever used at a time, more or less: those of threads that ended are used again.
    pub created: usize,
    /// Reservations, each a mapping where guards split none.
    pub reservations: usize,
}

/// What there is of stacks in this process.
pub fn stats() -> Stats {
    let shared = shared();
    Stats {
        size: size(),
        created: shared.created,
        reservations: shared.regions,
    }
}

fn page() -> usize {
    rustix::param::page_size()
}

/// A stack that is nobody else's, by its high end.
pub(crate) struct Stack(NonZeroUsize);

impl Stack {
    pub(crate) fn new() -> io::Result<Stack> {
        let kept = LOCAL.try_with(|local| local.borrow_mut().0.pop());
        let low = match kept.ok().flatten() {
            Some(low) => low,
            None => shared().take()?,
        };
        match NonZeroUsize::new(low + size()) {
            Some(high) => Ok(Stack(high)),
            None => unreachable!("a place lies in user space"),
        }
    }

    fn low(&self) -> usize {
        self.0.get() - size()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let low = self.low();
        let kept = LOCAL.try_with(|local| {
            let places = &mut local.borrow_mut().0;
            places.push(low);
            if places.len() > KEPT {
                give_back(places.drain(..KEPT / 2));
            }
        });
        if kept.is_err() {
            shared().free.push(low);
        }
    }
}

/// Gives places to all threads, and their memory to the system.
fn give_back(places: impl Iterator<Item = usize>) {
    let (size, guard) = (size(), page());
    let mut shared = shared();
    for low in places {
        // SAFETY: a place that nobody uses.
        unsafe { memory::give_back(low + guard, size - guard) };
        shared.free.push(low);
    }
}

// SAFETY: the memory is this value's own and has a guard page at its low end.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        self.0
    }

    fn limit(&self) -> StackPointer {
        match NonZeroUsize::new(self.low()) {
            Some(low) => low,
            None => unreachable!("nothing is mapped at zero"),
        }
    }
}

impl Shared {
    fn take(&mut self) -> io::Result<usize> {
        if let Some(low) = self.free.pop() {
            return Ok(low);
        }
        if self.fresh.is_empty() {
            self.reserve()
                .map_err(|error| explain(&error, self.created))?;
        }
        let low = self.fresh.start;
        // SAFETY: the low end of a place that nobody uses yet.
        unsafe { memory::guard(low, page()) }.map_err(|error| explain(&error, self.created))?;
        self.fresh.start += size();
        self.created += 1;
        Ok(low)
    }

    fn reserve(&mut self) -> io::Result<()> {
        let Some(region) = ALL.get(self.regions) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        if self.regions == 0 {
            overflow::watch()?;
        }
        let length = (FIRST << self.regions) * size();
        // Kept for ever.
        let start = memory::reserve(length)?;
        region.length.store(length, Ordering::Relaxed);
        region.start.store(start, Ordering::Release);
        self.regions += 1;
        self.fresh = start..start + length;
        Ok(())
    }
}

fn explain(error: &io::Error, created: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::OutOfMemory,
        format!(
            "no stack for a green thread beside {created} others ({error}): fewer at a time, smaller stacks \
             (`set_stack_size`), or a larger sysctl vm.max_map_count"
        ),
    )
}

/// Whether an address lies in a guard. Called by a signal handler.
pub(crate) fn is_guard(address: usize) -> bool {
    let size = size();
    ALL.iter().any(|region| {
        let start = region.start.load(Ordering::Acquire);
        let within = address.wrapping_sub(start);
        start != 0 && within < region.length.load(Ordering::Relaxed) && within % size < page()
    })
}

/// How large stacks are. Called by a signal handler.
pub(crate) fn size() -> usize {
    STACK_SIZE.load(Ordering::Relaxed)
}
