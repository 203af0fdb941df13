//! The other limit: io_uring in completion mode and nothing else. Multishot accept and recv, a ring of
//! provided buffers, sends submitted together with the wait. It sends back what it receives, or answers each
//! HTTP request with the same bytes.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use crate::BUFFER;

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
        self.memory.wrapping_add(usize::from(id) * BUFFER)
    }

    fn give_back(&mut self, id: u16) {
        let at = self.at(id) as u64;
        // SAFETY: the index is within the ring, and the kernel reads the entry after the tail moves.
        unsafe {
            let entry = &mut *self.ring.add(usize::from(self.tail % BUFFERS));
            entry.set_addr(at);
            entry.set_len(BUFFER as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = types::BufRingEntry::tail(self.ring).cast_mut();
            (*tail.cast::<std::sync::atomic::AtomicU16>())
                .store(self.tail, std::sync::atomic::Ordering::Release);
        }
    }
}

/// A send that is under way, in the buffer of the same number.
#[derive(Clone, Copy, Default)]
struct Sending {
    fd: u32,
    /// The bytes that the kernel has taken.
    sent: u32,
    /// The bytes that are left.
    left: u32,
}

struct Server {
    listener: TcpListener,
    buffers: Buffers,
    sending: Vec<Sending>,
    /// Requests for the next submission.
    backlog: VecDeque<squeue::Entry>,
    /// What every request is answered with, rather than with itself.
    answer: Option<&'static [u8]>,
}

impl Server {
    fn queue_accept(&mut self) {
        let accept = opcode::AcceptMulti::new(types::Fd(self.listener.as_raw_fd()));
        self.backlog.push_back(accept.build().user_data(ACCEPT));
    }

    fn queue_recv(&mut self, fd: u32) {
        let recv = opcode::RecvMulti::new(types::Fd(fd as i32), GROUP);
        self.backlog
            .push_back(recv.build().user_data(u64::from(fd)));
    }

    /// Queues a send of what is left in the buffer `id`.
    fn queue_send(&mut self, id: u16) {
        let Sending { fd, sent, left } = self.sending[usize::from(id)];
        let start = self.answer.map_or(self.buffers.at(id), <[u8]>::as_ptr);
        let from = start.wrapping_add(sent as usize);
        let send = opcode::Send::new(types::Fd(fd as i32), from, left);
        self.backlog
            .push_back(send.build().user_data(SEND | u64::from(id)));
    }

    /// Submits the backlog and waits for a completion.
    fn submit_and_wait(&mut self, ring: &mut IoUring) -> std::io::Result<()> {
        while let Some(entry) = self.backlog.pop_front() {
            // SAFETY: buffers and descriptors named in entries live until their completion.
            if unsafe { ring.submission().push(&entry) }.is_err() {
                ring.submit()?;
                self.backlog.push_front(entry);
            }
        }
        ring.submit_and_wait(1).map(drop)
    }

    fn complete(&mut self, completion: &cqueue::Entry) {
        match completion.user_data() {
            ACCEPT => self.complete_accept(completion),
            data if data & SEND != 0 => self.complete_send(data as u16, completion.result()),
            fd => self.complete_recv(fd as u32, completion),
        }
    }

    fn complete_accept(&mut self, completion: &cqueue::Entry) {
        let fd = completion.result();
        if fd >= 0 {
            let on: i32 = 1;
            // SAFETY: a plain system call on a descriptor just accepted.
            unsafe {
                libc::setsockopt(
                    fd,
                    libc::IPPROTO_TCP,
                    libc::TCP_NODELAY,
                    (&raw const on).cast(),
                    size_of::<i32>() as u32,
                );
            }
            self.queue_recv(fd as u32);
        }
        if !cqueue::more(completion.flags()) {
            self.queue_accept();
        }
    }

    fn complete_send(&mut self, id: u16, result: i32) {
        let sending = &mut self.sending[usize::from(id)];
        if result > 0 && (result as u32) < sending.left {
            sending.sent += result as u32;
            sending.left -= result as u32;
            self.queue_send(id);
        } else {
            self.buffers.give_back(id);
        }
    }

    /// Whether a buffer ends with the blank line at the end of a request.
    fn is_request(&self, id: u16, length: usize) -> bool {
        // SAFETY: the kernel has filled so many bytes, and the buffer is this side's until it is given back.
        let request = unsafe { std::slice::from_raw_parts(self.buffers.at(id), length) };
        request.ends_with(b"\r\n\r\n")
    }

    fn complete_recv(&mut self, fd: u32, completion: &cqueue::Entry) {
        let flags = completion.flags();
        match (completion.result(), cqueue::buffer_select(flags)) {
            (length @ 1.., Some(id)) => {
                let left = match self.answer {
                    Some(answer) if self.is_request(id, length as usize) => answer.len() as u32,
                    None => length as u32,
                    // Its load sends whole requests, one at a time.
                    Some(_) => 0,
                };
                self.sending[usize::from(id)] = Sending { fd, sent: 0, left };
                self.queue_send(id);
                if !cqueue::more(flags) {
                    self.queue_recv(fd);
                }
            }
            (error, _) if error == -libc::ENOBUFS => self.queue_recv(fd),
            _ => {
                // SAFETY: nothing of this descriptor is under way: its client waits for every answer.
                unsafe { libc::close(fd as i32) };
            }
        }
    }
}

/// Returns a mapping of anonymous memory, kept for the life of the process.
fn map(size: usize) -> *mut libc::c_void {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: this makes a new mapping, at an address that the kernel chooses.
    unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) }
}

/// Registers the ring of buffers and gives all of them to the kernel.
fn register_buffers(ring: &IoUring) -> std::io::Result<Buffers> {
    let shared = map(usize::from(BUFFERS) * size_of::<types::BufRingEntry>());
    // SAFETY: the mapping is as long as the ring needs and stays.
    unsafe {
        ring.submitter()
            .register_buf_ring_with_flags(shared as u64, BUFFERS, GROUP, 0)?;
    }
    let mut buffers = Buffers {
        ring: shared.cast(),
        memory: map(usize::from(BUFFERS) * BUFFER).cast(),
        tail: 0,
    };
    (0..BUFFERS).for_each(|id| buffers.give_back(id));
    Ok(buffers)
}

/// Serves for ever, with its own input as the answer or with this one.
///
/// # Errors
/// The system's.
pub fn serve(answer: Option<&'static [u8]>) -> std::io::Result<()> {
    let listener = crate::listen()?;
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_cqsize(65536)
        .build(4096)?;
    let mut server = Server {
        listener,
        buffers: register_buffers(&ring)?,
        sending: vec![Sending::default(); usize::from(BUFFERS)],
        backlog: VecDeque::new(),
        answer,
    };
    server.queue_accept();
    loop {
        server.submit_and_wait(&mut ring)?;
        for completion in ring.completion() {
            server.complete(&completion);
        }
    }
}
