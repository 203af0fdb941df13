//! The limits of open descriptors.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// The limit of open descriptors that an operation has reached.
///
/// ```
/// use std::io;
/// use switchboard_net::DescriptorLimit;
///
/// let error = io::Error::from_raw_os_error(24);
/// assert_eq!(DescriptorLimit::of(&error), Some(DescriptorLimit::Process));
/// assert_eq!(DescriptorLimit::of(&io::ErrorKind::NotFound.into()), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorLimit {
    /// That of the process (`EMFILE`, `RLIMIT_NOFILE`).
    Process,
    /// That of the system (`ENFILE`).
    System,
}

impl DescriptorLimit {
    /// Returns the limit that `error` or one of its sources reports; `None` for other errors.
    pub fn of(error: &io::Error) -> Option<DescriptorLimit> {
        let mut next: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = next {
            let cause = error.downcast_ref().and_then(Errno::from_io_error);
            match cause {
                Some(Errno::MFILE) => return Some(DescriptorLimit::Process),
                Some(Errno::NFILE) => return Some(DescriptorLimit::System),
                _ => next = error.source(),
            }
        }
        None
    }
}
