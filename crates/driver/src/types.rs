//! The words every driver speaks: token, interest, mode, ready, event.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// The caller's own name for a descriptor, handed back with its events.
/// `usize::MAX` is the driver's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);

/// How a ready descriptor is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In every wait for as long as it is ready.
    Level,
    /// Once each time it becomes ready.
    Edge,
}

macro_rules! bits {
    ($name:ident { $($(#[$doc:meta])* $flag:ident = $bit:expr, $text:literal;)* }) => {
        impl $name {
            /// Nothing.
            pub const NONE: Self = Self(0);
            $($(#[$doc])* pub const $flag: Self = Self($bit);)*

            /// Whether every bit of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether a bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Without the bits of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether no bit is set.
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

/// What to watch a descriptor for. Hang-ups and errors are watched always.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest(u8);

bits!(Interest {
    /// Bytes or a connection to take, or the end of input.
    READ = 1, "read";
    /// Room to send, or a connect that ended.
    WRITE = 2, "write";
    /// Out-of-band data.
    PRIORITY = 4, "priority";
});

/// What a descriptor is ready for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready(u8);

bits!(Ready {
    /// A read, or an accept, will not wait.
    READ = 1, "read";
    /// A write will not wait.
    WRITE = 2, "write";
    /// Out-of-band data is there.
    PRIORITY = 4, "priority";
    /// The peer will send no more; what it sent before may still be unread. Set where the kernel
    /// says so; a driver that can't know leaves it to the read of zero bytes.
    READ_CLOSED = 8, "read-closed";
    /// Both directions are shut.
    HANG_UP = 16, "hang-up";
    /// The descriptor has an error for the next call to report, or is not open.
    ERROR = 32, "error";
});

impl Ready {
    /// Whether a read is worth trying: data, the end of input, a hang-up or an error.
    pub const fn is_readable(self) -> bool {
        self.intersects(Self(
            Self::READ.0 | Self::READ_CLOSED.0 | Self::HANG_UP.0 | Self::ERROR.0,
        ))
    }

    /// Whether a write is worth trying: room, a hang-up or an error.
    pub const fn is_writable(self) -> bool {
        self.intersects(Self(Self::WRITE.0 | Self::HANG_UP.0 | Self::ERROR.0))
    }
}

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token it was registered with.
    pub token: Token,
    /// What it is ready for.
    pub ready: Ready,
}
