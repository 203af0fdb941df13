//! What a chat server sends to browsers.

// The server that sends it is to come.
#[cfg_attr(not(test), expect(dead_code))]
mod page;
