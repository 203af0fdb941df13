//! The atomic types of [`blocking::parker`](crate::blocking::parker), which the model checks in `loom/`
//! replace with loom's.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

pub(crate) use switchboard_driver::NotifyFd;
