//! A web site of slow, linked pages, for trying out clients; the same for the same seed.
//!
//! The contents of a page, its links and the outcome of a request depend on the seed and the page number
//! alone, so two runs and two programs see the same site.
//!
//! | path | response |
//! |---|---|
//! | `/` | page 0 |
//! | `/page/N` | page N: a line `temperature: T C`, links to other pages, and text up to the set size |
//! | all others, such as `/robots.txt` | 404 |

mod latency;
mod page;
mod serve;

pub use latency::Latency;
pub use page::{Outcome, Page, Site};
pub use serve::{answer, serve, serve_until};
