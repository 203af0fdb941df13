//! The client against peers that send exactly the bytes a test gives them, under every model and driver.

mod heads;
mod support;

#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;
