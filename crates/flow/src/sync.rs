//! What models replace.

pub(crate) use std::sync::atomic::{AtomicBool, Ordering, fence};

pub(crate) use switchboard_driver::Bell;
