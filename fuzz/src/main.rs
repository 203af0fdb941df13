//! libFuzzer's program; see ARCHITECTURE.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| switchboard_fuzz::check(data));
