//! The types that every driver takes and returns: token, interest, mode, readiness, event.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A number that the caller chooses for a descriptor; its events carry it.
///
/// `usize::MAX` is reserved for the driver. A [`CompletionDriver`](crate::CompletionDriver) reads
/// more structure from it.
///
/// ```
/// use switchboard_driver::Token;
///
/// let connections = ["first", "second"];
/// let token = Token(1);
/// assert_eq!(connections[token.0], "second");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);

/// A rule for how often a ready descriptor is reported.
///
/// ```
/// use switchboard_driver::{Driver, Mode};
///
/// let poller = Driver::Poll.open()?;
/// let mode = if poller.has_edge() { Mode::Edge } else { Mode::Level };
/// assert_eq!(mode, Mode::Level);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In every wait for as long as the descriptor is ready.
    Level,
    /// Once each time the descriptor becomes ready.
    Edge,
}

macro_rules! bits {
    ($name:ident { $($(#[$doc:meta])* $flag:ident = $bit:expr, $text:literal;)* }) => {
        impl $name {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $flag: Self = Self($bit);)*

            /// Returns whether every bit of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns whether at least one bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Returns the set without the bits of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Returns whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut names = Vec::new();
                $(if self.contains(Self::$flag) { names.push($text); })*
                write!(f, "{}({})", stringify!($name), names.join("|"))
            }
        }
    };
}

/// The set of directions a descriptor is registered for. Hang-ups and errors are reported whatever
/// the interest is.
///
/// ```
/// use switchboard_driver::Interest;
///
/// let both = Interest::READ | Interest::WRITE;
/// assert!(both.contains(Interest::WRITE));
/// assert_eq!(both.without(Interest::WRITE), Interest::READ);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest(u8);

bits!(Interest {
    /// Bytes, a connection or the end of input can be read.
    READ = 1, "read";
    /// A send would not block, or a connect has ended.
    WRITE = 2, "write";
    /// Out-of-band data has arrived.
    PRIORITY = 4, "priority";
});

/// The readiness of a descriptor: the calls that would not block, and its state.
///
/// ```
/// use switchboard_driver::Ready;
///
/// let ready = Ready::WRITE | Ready::HANG_UP;
/// assert!(ready.is_readable() && ready.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready(u8);

// The first five bits are those of poll(2) and epoll(7), so that `epoll` maps them with a mask.
bits!(Ready {
    /// A read or an accept would not block.
    READ = 1, "read";
    /// A write would not block.
    WRITE = 4, "write";
    /// Out-of-band data has arrived.
    PRIORITY = 2, "priority";
    /// The peer sends no more; bytes it sent before may still be unread. Drivers for which
    /// [`has_read_closed`](crate::Poller::has_read_closed) is false never set it; there, a read of
    /// zero bytes is the end of input.
    READ_CLOSED = 32, "read-closed";
    /// Both directions are shut.
    HANG_UP = 16, "hang-up";
    /// The next call on the descriptor returns an error, or the descriptor is not open.
    ERROR = 8, "error";
});

impl Ready {
    /// Returns whether a read would not block: there is data, the end of input, a hang-up or an
    /// error.
    pub const fn is_readable(self) -> bool {
        self.intersects(Self(
            Self::READ.0 | Self::READ_CLOSED.0 | Self::HANG_UP.0 | Self::ERROR.0,
        ))
    }

    /// Returns whether a write would not block: there is space, a hang-up or an error.
    pub const fn is_writable(self) -> bool {
        self.intersects(Self(Self::WRITE.0 | Self::HANG_UP.0 | Self::ERROR.0))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits)
    }
}

/// One report of a driver: a descriptor is ready.
///
/// ```
/// use switchboard_driver::{Event, Ready, Token};
///
/// let event = Event { token: Token(3), ready: Ready::READ };
/// assert!(event.ready.is_readable());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token the descriptor was registered with.
    pub token: Token,
    /// The readiness of the descriptor.
    pub ready: Ready,
}
