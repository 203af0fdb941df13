//! The other limit: io_uring in completion mode and nothing else. Multishot accept and recv, a ring of
//! provided buffers, sends submitted together with the wait.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

/// Few enough to stay in the cache: a ring goes round all of them.
const BUFFERS: u16 = 128;
const GROUP: u16 = 0;
const ACCEPT: u64 = 1 << 62;
const SEND: u64 = 1 << 61;

/// Provided buffers, used again in the order they come back.
struct Buffers {
    ring: *mut types::BufRingEntry,
    /// Aligned to pages: the kernel copies to odd addresses several times slower.
    memory: *mut u8,
    tail: u16,
}

impl Buffers {
    fn at(&self, id: u16) -> *const u8 {
        self.memory
            .wrapping_add(usize::from(id) * switchboard_bench::BUFFER)
    }

    fn give_back(&mut self, id: u16) {
        let at = self.at(id) as u64;
        // SAFETY: the index is within the ring, and the kernel reads the entry after the tail moves.
        unsafe {
            let entry = &mut *self.ring.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(at);
            entry.set_len(switchboard_bench::BUFFER as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = types::BufRingEntry::tail(self.ring).cast_mut();
            (*tail.cast::<std::sync::atomic::AtomicU16>())
                .store(self.tail, std::sync::atomic::Ordering::Release);
        }
    }
}

fn main() -> std::io::Result<()> {
    let listener = switchboard_bench::listen()?;
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(65536)
        .build(4096)?;
    let size = usize::from(BUFFERS) * size_of::<types::BufRingEntry>();
    // SAFETY: a fresh anonymous mapping, kept for the life of the process.
    let map = |size| unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0)
    };
    let shared = map(size);
    // SAFETY: the mapping is as long as the ring needs and stays.
    unsafe {
        ring.submitter()
            .register_buf_ring_with_flags(shared as u64, BUFFERS, GROUP, 0)?;
    }
    let mut buffers = Buffers {
        ring: shared.cast(),
        memory: map(usize::from(BUFFERS) * switchboard_bench::BUFFER).cast(),
        tail: 0,
    };
    (0..BUFFERS).for_each(|id| buffers.give_back(id));
    let mut backlog: VecDeque<squeue::Entry> = VecDeque::new();
    let accept = || {
        opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd()))
            .build()
            .user_data(ACCEPT)
    };
    let recv = |fd: u32| {
        opcode::RecvMulti::new(types::Fd(fd as i32), GROUP)
            .build()
            .user_data(u64::from(fd))
    };
    // A send that is under way: buffer, where it goes on, how much is left; by buffer.
    let mut sending = vec![(0_u32, 0_u32, 0_u32); usize::from(BUFFERS)];
    backlog.push_back(accept());
    loop {
        while let Some(entry) = backlog.pop_front() {
            // SAFETY: buffers and descriptors named in entries live until their completion.
            if unsafe { ring.submission().push(&entry) }.is_err() {
                ring.submit()?;
                backlog.push_front(entry);
            }
        }
        ring.submit_and_wait(1)?;
        for done in ring.completion() {
            let (data, result, flags) = (done.user_data(), done.result(), done.flags());
            if data == ACCEPT {
                if result >= 0 {
                    let fd = result as u32;
                    let on: i32 = 1;
                    // SAFETY: a plain system call on a descriptor just accepted.
                    unsafe {
                        libc::setsockopt(
                            result,
                            libc::IPPROTO_TCP,
                            libc::TCP_NODELAY,
                            (&raw const on).cast(),
                            size_of::<i32>() as u32,
                        );
                    }
                    backlog.push_back(recv(fd));
                }
                if !cqueue::more(flags) {
                    backlog.push_back(accept());
                }
            } else if data & SEND != 0 {
                let id = data as u16;
                let (fd, sent, left) = sending[usize::from(id)];
                if result > 0 && (result as u32) < left {
                    let (sent, left) = (sent + result as u32, left - result as u32);
                    sending[usize::from(id)] = (fd, sent, left);
                    // SAFETY: within the buffer.
                    let from = unsafe { buffers.at(id).add(sent as usize) };
                    backlog.push_back(
                        opcode::Send::new(types::Fd(fd as i32), from, left)
                            .build()
                            .user_data(data),
                    );
                } else {
                    buffers.give_back(id);
                }
            } else {
                let fd = data as u32;
                match (result, cqueue::buffer_select(flags)) {
                    (1.., Some(id)) => {
                        sending[usize::from(id)] = (fd, 0, result as u32);
                        backlog.push_back(
                            opcode::Send::new(types::Fd(fd as i32), buffers.at(id), result as u32)
                                .build()
                                .user_data(SEND | u64::from(id)),
                        );
                        if !cqueue::more(flags) {
                            backlog.push_back(recv(fd));
                        }
                    }
                    (error, _) if error == -libc::ENOBUFS => backlog.push_back(recv(fd)),
                    _ => {
                        // SAFETY: nothing of this descriptor is under way: its client waits for
                        // every answer.
                        unsafe { libc::close(fd as i32) };
                    }
                }
            }
        }
    }
}
