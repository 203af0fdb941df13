//! The back-off of a ring whose requests the kernel does not take, because it has no memory for them or
//! because completions must be handled first.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// The first pause after a failure, which doubles with each further one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How often in a row the kernel did not take requests.
#[derive(Default)]
pub(super) struct Pressure {
    failures: u32,
    /// Errors that the next system calls fail with, for tests.
    #[cfg(test)]
    pub(super) injected: std::collections::VecDeque<Errno>,
}

impl Pressure {
    /// Returns whether the last system call failed for lack of memory or of space.
    #[inline]
    pub(super) fn is_high(&self) -> bool {
        self.failures > 0
    }

    /// Interprets the result of a system call. Failures that end by themselves are no errors.
    #[inline]
    pub(super) fn result(&mut self, entered: io::Result<()>) -> io::Result<()> {
        match entered {
            Ok(()) => {
                self.failures = 0;
                Ok(())
            }
            Err(error) => self.failed(error),
        }
    }

    #[cold]
    fn failed(&mut self, error: io::Error) -> io::Result<()> {
        let failures = std::mem::take(&mut self.failures);
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::TIME | Errno::INTR) => Ok(()),
            // EBUSY: completions must be handled first. The others: the kernel had no memory.
            Some(Errno::BUSY | Errno::AGAIN | Errno::NOMEM) => {
                self.failures = failures.saturating_add(1);
                Ok(())
            }
            Some(Errno::EXIST) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this io_uring serves only the thread that first waited with it",
            )),
            _ => Err(error),
        }
    }

    /// Returns the length of the back-off, which is no longer than `limit`.
    pub(super) fn pause(&self, limit: Option<Duration>) -> Duration {
        let doubled = FIRST_PAUSE * (1 << self.failures.saturating_sub(1).min(10));
        let pause = doubled.min(LONGEST_PAUSE);
        limit.map_or(pause, |limit| pause.min(limit))
    }

    /// Returns the error that a test has the next system call fail with.
    #[inline(always)]
    pub(super) fn injected(&mut self) -> Option<io::Error> {
        #[cfg(test)]
        return self.injected.pop_front().map(io::Error::from);
        #[cfg(not(test))]
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use io_uring::opcode;

    use super::*;
    use crate::completion::{CompletionDriver, Request};
    use crate::uring::ring::Ring;
    use crate::uring::setup::open_uring;
    use crate::{Poller, Token};

    const ERRORS: [Errno; 3] = [Errno::NOMEM, Errno::AGAIN, Errno::BUSY];

    fn errors(count: usize) -> impl Iterator<Item = Errno> {
        ERRORS.into_iter().cycle().take(count)
    }

    #[test]
    fn requests_that_the_kernel_does_not_take_are_submitted_later_and_in_order() {
        // Three times what the queue has space for.
        const REQUESTS: u64 = 3000;
        let Ok(mut ring) = Ring::open() else {
            return println!("skip: no io_uring");
        };
        ring.pressure.injected.extend(errors(6));
        for number in 0..REQUESTS {
            let request = opcode::Nop::new().build().user_data(number);
            // SAFETY: the request refers to no memory.
            unsafe { ring.push(&request).expect("the request waits") };
        }
        let mut completed = Vec::new();
        let mut calls = 0;
        while completed.len() < REQUESTS as usize {
            ring.enter(1, Some(Duration::from_secs(10)))
                .expect("the error is of the kind that ends");
            calls += 1;
            assert!(calls < 100, "{} completions", completed.len());
            while let Some(completion) = ring.next_completion() {
                completed.push(completion.user_data());
            }
        }
        assert!(ring.is_submitted());
        assert!(completed.into_iter().eq(0..REQUESTS));
    }

    #[test]
    fn a_ring_backs_off_while_the_kernel_takes_no_requests() {
        let Ok(mut ring) = Ring::open() else {
            return println!("skip: no io_uring");
        };
        const FAILURES: usize = 20;
        ring.pressure.injected.extend(errors(FAILURES));
        let request = opcode::Nop::new().build().user_data(7);
        // SAFETY: the request refers to no memory.
        unsafe { ring.push(&request).expect("the queue has space") };
        let start = Instant::now();
        let mut calls = 0;
        while !ring.has_completions() {
            ring.enter(1, None).expect("the error ends");
            calls += 1;
        }
        assert!(calls <= FAILURES + 1, "{calls} calls");
        // 0.1 ms, 0.2 ms and so on to 12.8 ms, and 20 ms for each after that.
        assert!(
            start.elapsed() >= Duration::from_millis(200),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(ring.pressure.pause(None), FIRST_PAUSE);
    }

    #[test]
    fn no_operation_of_a_socket_is_lost_for_lack_of_memory() {
        const SOCKETS: usize = 1500;
        let Ok(mut uring) = open_uring() else {
            return println!("skip: no io_uring");
        };
        let pairs: Vec<_> = (0..20)
            .map(|_| UnixStream::pair().expect("a pair"))
            .collect();
        uring.ring.pressure.injected.extend(errors(10));
        for (at, (here, mut there)) in pairs.iter().map(|(a, b)| (a, b)).enumerate() {
            there.write_all(&[at as u8]).expect("the socket has space");
            let requested = uring.request(Token(at), here.as_fd(), Request::Bytes);
            requested.expect("the request is queued");
        }
        // The queue is full from here on.
        for _ in 0..SOCKETS {
            let request = opcode::Nop::new().build();
            // SAFETY: the request refers to no memory.
            unsafe { uring.ring.push(&request).expect("the request waits") };
        }
        let mut received = 0;
        while received < pairs.len() {
            let mut events = Vec::new();
            uring.wait(&mut events, None).expect("the wait succeeds");
            for event in events {
                let (chunk, _) = uring.recv(event.token).expect("bytes have come");
                assert_eq!(&chunk[..], [event.token.0 as u8]);
                received += 1;
            }
        }
        // Cancelling takes requests too.
        uring.ring.pressure.injected.extend(errors(10));
        for (at, (here, there)) in pairs.into_iter().enumerate() {
            uring.close(Token(at), here.into());
            drop(there);
        }
        uring.quiesce();
        uring.ring.check().expect("everything was cancelled");
    }
}
