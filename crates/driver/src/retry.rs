//! Repeating a wait that a signal interrupted.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::io::Errno;

/// Calls `wait`, and repeats it with the remaining time for as long as it fails with `EINTR`.
pub(crate) fn retry<T>(
    timeout: Option<Duration>,
    mut wait: impl FnMut(Option<Duration>) -> rustix::io::Result<T>,
) -> io::Result<T> {
    // The clock is read only if there is a timeout to keep. A deadline past the end of the clock
    // counts as none.
    let deadline = timeout
        .filter(|timeout| !timeout.is_zero())
        .and_then(|timeout| Instant::now().checked_add(timeout));

    let mut remaining = timeout;
    loop {
        match wait(remaining) {
            Err(Errno::INTR) => {
                if let Some(deadline) = deadline {
                    remaining = Some(deadline.saturating_duration_since(Instant::now()));
                }
            }
            result => return result.map_err(io::Error::from),
        }
    }
}

/// Converts a timeout for a system call that takes nanoseconds; one that does not fit becomes none.
pub(crate) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.and_then(|timeout| Timespec::try_from(timeout).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_wait_is_repeated_with_the_remaining_time() {
        let mut timeouts = Vec::new();
        let timeout = Duration::from_secs(3600);
        let result = retry(Some(timeout), |remaining| {
            timeouts.push(remaining.unwrap());
            if timeouts.len() < 3 {
                Err(Errno::INTR)
            } else {
                Ok(7)
            }
        });
        assert_eq!(result.unwrap(), 7);
        assert_eq!(timeouts[0], timeout);
        assert!(timeouts[1] <= timeouts[0] && timeouts[2] <= timeouts[1]);
    }

    #[test]
    fn other_errors_and_unbounded_waits_pass_through() {
        let error = retry(None, |remaining| {
            assert_eq!(remaining, None);
            Err::<(), _>(Errno::BADF)
        });
        assert_eq!(
            error.unwrap_err().raw_os_error(),
            Some(Errno::BADF.raw_os_error())
        );
        let unbounded = retry(Some(Duration::MAX), |remaining| Ok(timespec(remaining)));
        assert!(unbounded.unwrap().is_none());
    }
}
