//! Why Redis does not do what it is asked.

use std::fmt;
use std::io;

/// Why there is no connection to Redis, or none any more. Shown as a part of a line, without the server's address.
#[derive(Clone, Debug)]
pub struct Failure {
    text: String,
    is_lasting: bool,
}

impl Failure {
    /// Returns a failure that may be over with the next try.
    pub fn passing(text: &str) -> Failure {
        Failure {
            text: text.to_owned(),
            is_lasting: false,
        }
    }

    /// Returns the failure for an error that Redis answers.
    ///
    /// ```
    /// use switchboard_redis::Failure;
    ///
    /// let failure = Failure::refused("NOAUTH Authentication required.");
    /// assert!(failure.is_lasting());
    /// assert!(failure.to_string().starts_with("it wants a password"));
    /// assert!(!Failure::refused("ERR max number of clients reached").is_lasting());
    /// ```
    pub fn refused(error: &str) -> Failure {
        let code = error.split(' ').next().unwrap_or_default();
        let remedy = match code {
            "WRONGPASS" => "the user or the password is wrong",
            "NOAUTH" => "it wants a password: write redis://:PASSWORD@HOST",
            "NOPERM" => "the user may not do what is needed: scripts, what they do, and INFO",
            "READONLY" => "it is a replica: name the server that takes writes",
            "LOADING" => "it loads its data",
            _ => "it refuses",
        };
        let is_lasting = ["WRONGPASS", "NOAUTH", "NOPERM", "ERR"].contains(&code);
        // Others may leave.
        let is_full = error.starts_with("ERR max number of clients");
        Failure {
            text: format!("{remedy} ({error})"),
            is_lasting: is_lasting && !is_full,
        }
    }

    /// Returns whether trying again is of no use: a wrong password, something that is no Redis.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let lasting = [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput];
        Failure {
            is_lasting: lasting.contains(&error.kind()),
            text: match error.kind() {
                io::ErrorKind::UnexpectedEof => "it has closed the connection".to_owned(),
                _ => error.to_string(),
            },
        }
    }
}
