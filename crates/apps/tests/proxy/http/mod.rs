//! Requests through the proxy, with real peers on threads of their own.

mod failures;
mod passing;
mod peers;
mod stalled;
