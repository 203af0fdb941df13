//! Slow-site: a deterministic little web to fetch from.
//!
//! What a page holds, where it links and what befalls it is a function of the seed and its number
//! alone, so that two runs, and two programs, see the same web.
//!
//! | path | what |
//! |---|---|
//! | `/` | the first page |
//! | `/page/N` | page N: links to other pages, a line `temperature: T C`, filling up to its size |
//! | `/robots.txt` and all else | 404 |

mod page;
mod serve;

pub use page::{Latency, Outcome, Page, Site};
pub use serve::serve;
