//! A crawler that loses nothing, the same under every concurrency model.
#![forbid(unsafe_code)]
