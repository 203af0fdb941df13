//! Why a crawl cannot begin or go on.

use std::fmt;
use std::io;
use std::path::Path;

use crate::store::StoreError;
use crate::visible::visible;

/// The error of a crawl. Its text is one line that says what, where and what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum CrawlError {
    /// The settings are wrong; nothing was done.
    Settings(String),
    /// The folder of the crawl cannot be opened, read or written.
    Store(StoreError),
    /// An output cannot be opened or written.
    Output(io::Error),
    /// Redis, which shares the crawl, is away, refuses, or has lost it.
    Redis(String),
    /// No worker could be started, or all have ended.
    NoWorkers(String),
    /// The model or its driver cannot run.
    Model(io::Error),
}

impl CrawlError {
    pub(crate) fn settings(text: impl fmt::Display) -> CrawlError {
        CrawlError::Settings(text.to_string())
    }

    pub(crate) fn broken(folder: &Path, error: &redb::Error) -> CrawlError {
        CrawlError::Store(StoreError::broken(folder, error))
    }
}

impl fmt::Display for CrawlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Such texts may hold what others have written to Redis.
            CrawlError::Settings(text) | CrawlError::Redis(text) => {
                f.write_str(&visible(text, false))
            }
            CrawlError::Store(error) => error.fmt(f),
            // The name of an output may come from Redis, too.
            CrawlError::Output(error) => f.write_str(&visible(&error.to_string(), false)),
            CrawlError::NoWorkers(why) => write!(f, "no worker is left to fetch pages: {why}"),
            CrawlError::Model(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CrawlError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CrawlError::Settings(_) | CrawlError::Redis(_) | CrawlError::NoWorkers(_) => None,
            CrawlError::Store(error) => Some(error),
            CrawlError::Output(error) | CrawlError::Model(error) => Some(error),
        }
    }
}

impl From<StoreError> for CrawlError {
    fn from(error: StoreError) -> CrawlError {
        CrawlError::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_written_to_redis_moves_no_cursor() {
        for error in [CrawlError::Redis, CrawlError::Settings] {
            assert_eq!(error("a\x1b[2J".to_owned()).to_string(), "a\\u{1b}[2J");
        }
    }
}
