//! What became of an address.

use std::fmt;

/// What became of an address that was discovered. Each has exactly one fate, so that the fates add up to the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fate {
    /// It waits for its turn.
    Pending = 0,
    /// It was answered by a page or a redirect (status 2xx or 3xx).
    Fetched = 1,
    /// No page came: an error of the connection or of the body, or another status.
    Failed = 2,
    /// The host's robots.txt excludes it.
    Robots = 3,
    /// It lies outside of the crawl's scope.
    Scope = 4,
    /// It lies deeper than the crawl goes.
    Depth = 5,
    /// It looks like one of endlessly many, or a chain of redirects was too long.
    Trap = 6,
}

impl Fate {
    /// All fates, by their numbers.
    pub const ALL: [Fate; 7] = [
        Fate::Pending,
        Fate::Fetched,
        Fate::Failed,
        Fate::Robots,
        Fate::Scope,
        Fate::Depth,
        Fate::Trap,
    ];

    /// Returns the word for it.
    ///
    /// ```
    /// assert_eq!(switchboard_crawl::Fate::Fetched.name(), "fetched");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Fate::Pending => "pending",
            Fate::Fetched => "fetched",
            Fate::Failed => "failed",
            Fate::Robots => "robots",
            Fate::Scope => "scope",
            Fate::Depth => "depth",
            Fate::Trap => "trap",
        }
    }

    /// Returns the fate with a number, as the store keeps it.
    pub(crate) fn from_number(number: u8) -> Option<Fate> {
        Fate::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
