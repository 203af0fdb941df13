//! Compression of messages (permessage-deflate, RFC 7692).
//!
//! Compressors and decompressors are the thread's, and are lent for the time of a message: a connection has one of its
//! own only if both sides have agreed to keep their windows.

mod deflater;
mod inflater;
mod offer;

pub(crate) use deflater::Deflater;
pub(crate) use inflater::Inflater;
pub(crate) use offer::{accept, answered, offer};

/// The bytes that end a flushed stream, and which are not sent.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The bits of the largest window.
pub(crate) const MOST_BITS: u8 = 15;

/// The compression that an endpoint permits. By default no side keeps a window from one message to the next, so that a
/// connection holds no compressor.
///
/// ```
/// use switchboard_websocket::{Deflate, Options};
///
/// // Compresses better, and costs each connection 340 KB for both directions.
/// let options = Options::new().deflate(Deflate::new().takeover(true));
/// # drop(options);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    pub(crate) takeover: bool,
    pub(crate) window_bits: u8,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate::new()
    }
}

impl Deflate {
    /// Permits compression without windows that are kept, and of any size.
    pub fn new() -> Deflate {
        Deflate {
            takeover: false,
            window_bits: MOST_BITS,
        }
    }

    /// Permits both sides to keep their windows from one message to the next (context takeover), if the peer permits
    /// it as well.
    pub fn takeover(mut self, takeover: bool) -> Deflate {
        self.takeover = takeover;
        self
    }

    /// Limits the windows to 2^`bits` bytes.
    ///
    /// # Panics
    /// If `bits` is not from 9 to 15.
    pub fn window_bits(mut self, bits: u8) -> Deflate {
        assert!((9..=MOST_BITS).contains(&bits), "a window of {bits} bits");
        self.window_bits = bits;
        self
    }
}

/// The compression that both sides of a connection have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Whether this end keeps its window from one message to the next.
    pub own_takeover: bool,
    /// Whether the peer keeps its window from one message to the next.
    pub peer_takeover: bool,
    /// The window of this end has 2 to the power of this bytes: 8 to 15.
    pub own_bits: u8,
}
