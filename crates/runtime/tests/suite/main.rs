//! What flows wait for, under every model and driver.

mod times;
#[path = "../support/ways.rs"]
mod ways;
