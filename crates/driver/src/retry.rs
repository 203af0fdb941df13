//! The rule for interrupted waits.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::io::Errno;

/// Makes the system call `wait`; when a signal interrupts it, repeats it with the time that remains.
pub(crate) fn retry<T>(
    timeout: Option<Duration>,
    mut wait: impl FnMut(Option<Duration>) -> rustix::io::Result<T>,
) -> io::Result<T> {
    // The clock is read only where there is time to keep. A deadline past the end of the clock is
    // none.
    let deadline = timeout
        .filter(|timeout| !timeout.is_zero())
        .and_then(|timeout| Instant::now().checked_add(timeout));

    let mut left = timeout;
    loop {
        match wait(left) {
            Err(Errno::INTR) => {
                if let Some(deadline) = deadline {
                    left = Some(deadline.saturating_duration_since(Instant::now()));
                }
            }
            result => return result.map_err(io::Error::from),
        }
    }
}

/// `timeout` for a system call that takes nanoseconds; more than it can hold is for ever.
pub(crate) fn nanoseconds(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.and_then(|timeout| Timespec::try_from(timeout).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_wait_is_repeated_with_the_rest() {
        let mut asked = Vec::new();
        let timeout = Duration::from_secs(3600);
        let result = retry(Some(timeout), |left| {
            asked.push(left.unwrap());
            if asked.len() < 3 {
                Err(Errno::INTR)
            } else {
                Ok(7)
            }
        });
        assert_eq!(result.unwrap(), 7);
        assert_eq!(asked[0], timeout);
        assert!(asked[1] <= asked[0] && asked[2] <= asked[1]);
    }

    #[test]
    fn other_errors_and_endless_waits_pass_through() {
        let error = retry(None, |left| {
            assert_eq!(left, None);
            Err::<(), _>(Errno::BADF)
        });
        assert_eq!(
            error.unwrap_err().raw_os_error(),
            Some(Errno::BADF.raw_os_error())
        );
        let endless = retry(Some(Duration::MAX), |left| Ok(nanoseconds(left)));
        assert!(endless.unwrap().is_none());
    }
}
