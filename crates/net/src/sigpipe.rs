//! What a write to a closed connection does to this process.

use std::sync::OnceLock;

use rustix::process::Signal;

/// Returns whether this process ignores or catches SIGPIPE, as programs in Rust do unless they change that. A
/// `splice` or `sendfile` to a closed connection raises it, and cannot be told not to.
pub(crate) fn survives_sigpipe() -> bool {
    static SURVIVES: OnceLock<bool> = OnceLock::new();
    *SURVIVES.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let signals = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        };
        let handled = signals("SigIgn:").unwrap_or(0) | signals("SigCgt:").unwrap_or(0);
        handled >> (Signal::PIPE.as_raw() - 1) & 1 == 1
    })
}
