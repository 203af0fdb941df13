//! What models replace.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

pub(crate) use switchboard_driver::NotifyFd;
