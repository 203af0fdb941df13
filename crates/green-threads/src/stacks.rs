//! Stacks: reservations of address space, each cut into equal places for one stack.
//!
//! ```text
//!   low                                                       high
//!   ┌───────┬──────────────┬───────┬──────────────┬── ─ ─ ─ ──┐
//!   │ guard │ ◄─ stack   · │ guard │ ◄─ stack   · │           │
//!   └───────┴──────────────┴───────┴──────────────┴── ─ ─ ─ ──┘
//!   └──────── a place ─────┘             the colour: bytes left free at the high end
//! ```
//!
//! A place that becomes free is used again, first by the thread that had it. Each reservation is twice
//! as large as the one before. Reservations are never unmapped; the memory of free places is returned.
//!
//! Where the kernel has `MADV_GUARD_INSTALL` (Linux 6.13) a guard splits no mapping, and memory alone
//! limits the number of stacks. Elsewhere each guard is a mapping, and at most half of
//! `vm.max_map_count` stacks are possible.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use corosensei::stack::StackPointer;

use crate::memory;

/// Bytes of a place, its guard included, unless [`set_stack_size`] changes it. The size is small because
/// the kernel needs page tables for all address space in which pages are touched. Unoptimized code
/// needs several times as much stack.
const DEFAULT_SIZE: usize = match cfg!(debug_assertions) {
    true => 512 * 1024,
    false => 128 * 1024,
};

/// The smallest size in which a panic and its message fit.
const MIN_SIZE: usize = 16 * 1024;

/// Places of the first reservation.
const FIRST_PLACES: usize = 1024;

/// The most reservations of a process.
const MAX_REGIONS: usize = 20;

/// Free places that a thread keeps with their memory. Beyond that, half of them go to all threads, and
/// their memory to the system.
const MAX_KEPT: usize = 256;

/// How many different offsets from the high ends of their places stacks start at. Without an offset the
/// hot frames of all stacks have the same address modulo the page size, and compete for the same few
/// sets of the processor's caches.
const COLOURS: usize = 16;

/// Bytes between two colours: a cache line. All colours together stay well within the first page, so that
/// a shallow stack touches no second one.
const COLOUR_STEP: usize = 64;

/// A divisor of every system's page size that is larger than all colours.
const LEAST_PAGE: usize = 4096;

const _: () = assert!(COLOURS * COLOUR_STEP < LEAST_PAGE);

static STACK_SIZE: AtomicUsize = AtomicUsize::new(DEFAULT_SIZE);

/// A reservation. The signal handler reads it too, so its fields are atomic.
struct Region {
    start: AtomicUsize,
    length: AtomicUsize,
}

#[expect(clippy::declare_interior_mutable_const, reason = "an initial value")]
const NO_REGION: Region = Region {
    start: AtomicUsize::new(0),
    length: AtomicUsize::new(0),
};

static REGIONS: [Region; MAX_REGIONS] = [NO_REGION; MAX_REGIONS];

/// The places that no thread keeps for itself.
struct Shared {
    /// Free places with a guard, by the address where their stacks start.
    free: Vec<NonZeroUsize>,
    regions: usize,
    /// The part of the last reservation that was never used.
    fresh: std::ops::Range<usize>,
    /// How many places have a guard.
    created: usize,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared {
    free: Vec::new(),
    regions: 0,
    fresh: 0..0,
    created: 0,
});

fn shared() -> MutexGuard<'static, Shared> {
    // No code under this lock leaves the value half-changed when it panics.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The free places that one thread keeps, by the address where their stacks start.
struct Local(Vec<NonZeroUsize>);

thread_local! {
    static LOCAL: RefCell<Local> = const { RefCell::new(Local(Vec::new())) };
}

impl Drop for Local {
    fn drop(&mut self) {
        shared().free.append(&mut self.0);
    }
}

/// Sets the size of all stacks in bytes, guard included, rounded up to whole pages.
///
/// # Errors
/// `InvalidInput` below 16 KiB; `ResourceBusy` once the first green thread was created.
///
/// ```
/// switchboard_green_threads::set_stack_size(256 * 1024)?;
/// assert_eq!(switchboard_green_threads::stats().size, 256 * 1024);
/// # std::io::Result::Ok(())
/// ```
pub fn set_stack_size(bytes: usize) -> io::Result<()> {
    if bytes < MIN_SIZE {
        let text = format!("a stack of {bytes} bytes: at least {MIN_SIZE} are needed");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let shared = shared();
    if shared.regions > 0 {
        let text = "stacks exist already: set their size before the first green thread is created";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
    }
    STACK_SIZE.store(bytes.next_multiple_of(page()), Ordering::Relaxed);
    Ok(())
}

/// The stacks of this process: their size and number.
///
/// ```
/// use switchboard_green_threads::{Green, stats};
///
/// let _thread = Green::new(|| ())?;
/// assert_eq!(stats().created, 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of each stack, guard included.
    pub size: usize,
    /// Stacks created so far, free ones included. Each is used again, so this is about the most that
    /// were in use at a time.
    pub created: usize,
    /// Reservations of address space; each is one mapping where guards split none.
    pub reservations: usize,
}

/// Returns the size and the number of this process's stacks.
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

/// A stack in use, by the address where it starts: its colour below the high end of its place.
pub(crate) struct Stack(NonZeroUsize);

impl Stack {
    pub(crate) fn new() -> io::Result<Stack> {
        let kept = LOCAL.try_with(|local| local.borrow_mut().0.pop());
        let base = match kept.ok().flatten() {
            Some(base) => base,
            None => shared().take()?,
        };
        #[cfg(asan)]
        memory::unpoison(low(base) + page(), base.get() - low(base) - page());
        Ok(Stack(base))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let base = self.0;
        let kept = LOCAL.try_with(|local| {
            let places = &mut local.borrow_mut().0;
            places.push(base);
            if places.len() > MAX_KEPT {
                give_back(places.drain(..MAX_KEPT / 2));
            }
        });
        if kept.is_err() {
            shared().free.push(base);
        }
    }
}

/// Returns the lowest address of the place whose stack starts at `base`. The high end of the place is the
/// first page boundary at or above `base`.
fn low(base: NonZeroUsize) -> usize {
    base.get().next_multiple_of(LEAST_PAGE) - size()
}

/// Gives places to all threads, and their memory to the system.
fn give_back(places: impl Iterator<Item = NonZeroUsize>) {
    let (size, guard) = (size(), page());
    let mut shared = shared();
    for base in places {
        // SAFETY: the place is free, so the contents of its stack are dead.
        unsafe { memory::give_back(low(base) + guard, size - guard) };
        shared.free.push(base);
    }
}

// SAFETY: the memory from `limit` to `base` belongs to this value alone and has a guard page at its low
// end.
unsafe impl corosensei::stack::Stack for Stack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.0
    }

    fn limit(&self) -> StackPointer {
        match NonZeroUsize::new(low(self.0)) {
            Some(low) => low,
            None => unreachable!("nothing is mapped at zero"),
        }
    }
}

impl Shared {
    /// Takes a free place, or creates one. Returns where its stack starts.
    fn take(&mut self) -> io::Result<NonZeroUsize> {
        if let Some(base) = self.free.pop() {
            return Ok(base);
        }
        if self.fresh.is_empty() {
            self.reserve()
                .map_err(|error| explain(&error, self.created))?;
        }
        let low = self.fresh.start;
        // SAFETY: the page is the low end of a place that was never used.
        unsafe { memory::guard(low, page()) }.map_err(|error| explain(&error, self.created))?;
        self.fresh.start += size();
        let colour = self.created % COLOURS * COLOUR_STEP;
        self.created += 1;
        match NonZeroUsize::new(low + size() - colour) {
            Some(base) => Ok(base),
            None => unreachable!("a place lies in user space"),
        }
    }

    fn reserve(&mut self) -> io::Result<()> {
        let Some(region) = REGIONS.get(self.regions) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        let length = (FIRST_PLACES << self.regions) * size();
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
            "no stack for a green thread beside {created} others ({error}): use fewer at a time, smaller \
             stacks (`set_stack_size`), or a larger sysctl vm.max_map_count"
        ),
    )
}

/// Returns whether an address lies in a guard page. Safe in a signal handler.
pub(crate) fn is_guard(address: usize) -> bool {
    let size = size();
    REGIONS.iter().any(|region| {
        let start = region.start.load(Ordering::Acquire);
        let offset = address.wrapping_sub(start);
        start != 0 && offset < region.length.load(Ordering::Relaxed) && offset % size < page()
    })
}

/// Bytes of a place, guard included. Safe in a signal handler.
pub(crate) fn size() -> usize {
    STACK_SIZE.load(Ordering::Relaxed)
}
