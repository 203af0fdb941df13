//! What shows a report: as a page, as text for a terminal, as rows of CSV, and what differs between two of them.
//!
//! Nothing here knows an experiment, and nothing waits or writes: each function returns text.

mod csv;
mod differ;
mod facts;
mod harmless;
mod html;
mod note;
mod order;
mod text;
mod verdicts;

pub use csv::csv;
pub use differ::{Change, Differences, Direction, Side, differences};
pub use html::html;
pub use text::{Look, text};
