//! `advise`: what to run for a workload that is described in words of its users.
//!
//! ```text
//!   Costs: measured here, or read from a report ──┐
//!   Demand: connections, active, service, cpu ────┴──► recommend ──► Advice: what, why by arithmetic, what would
//!                                                                    change it
//! ```

mod changes;
mod costs;
mod demand;
mod recommend;
mod words;

pub use costs::{Cost, Costs};
pub use demand::Demand;
pub use recommend::{Advice, recommend};

pub(crate) use costs::{CostsOfModels, offload};
