//! Errors with a cause.

use std::error::Error;
use std::fmt;
use std::io;

/// An error of the system and a text that says what failed.
#[derive(Debug)]
pub(crate) struct Explained {
    text: String,
    cause: io::Error,
}

impl Explained {
    pub(crate) fn error(text: String, cause: io::Error) -> io::Error {
        io::Error::new(cause.kind(), Explained { text, cause })
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
