//! Why a connection ends.

/// Why the server ends a connection. Its code is that of a WebSocket's close frame.
///
/// Codes from 4000 to 4499 ask the client to come back, after a pause with jitter; codes from 4500 on ask it not to.
///
/// ```
/// use switchboard_chat::Bye;
///
/// assert_eq!((Bye::Slow.code(), Bye::Slow.reconnect()), (4001, true));
/// assert!(!Bye::Replaced.reconnect());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bye {
    /// The server stops, or another one takes over.
    Restart,
    /// The client reads too slowly: its queue is full.
    Slow,
    /// The client has not answered a ping.
    Silent,
    /// The client sends more than it may.
    Flood,
    /// `hello` did not come in time.
    HelloLate,
    /// Too many passwords wait to be checked.
    Busy,
    /// The token is missing, or wrong.
    Unauthorized,
    /// The token has expired.
    Expired,
    /// The session goes on in another connection.
    Replaced,
    /// What the client sends is not text, or no command, again and again.
    Malformed,
    /// Somebody else has the name, by another server, since the store that they share was away.
    NameLost,
}

impl Bye {
    /// All of them.
    pub const ALL: [Bye; 11] = [
        Bye::Restart,
        Bye::Slow,
        Bye::Silent,
        Bye::Flood,
        Bye::HelloLate,
        Bye::Busy,
        Bye::Unauthorized,
        Bye::Expired,
        Bye::Replaced,
        Bye::Malformed,
        Bye::NameLost,
    ];

    /// Returns the code, from 4000 to 4999.
    pub const fn code(self) -> u16 {
        match self {
            Bye::Restart => 4000,
            Bye::Slow => 4001,
            Bye::Silent => 4002,
            Bye::Flood => 4003,
            Bye::HelloLate => 4004,
            Bye::Busy => 4005,
            Bye::Unauthorized => 4500,
            Bye::Expired => 4501,
            Bye::Replaced => 4502,
            Bye::Malformed => 4503,
            Bye::NameLost => 4504,
        }
    }

    /// Returns whether the client is asked to come back.
    pub const fn reconnect(self) -> bool {
        self.code() < 4500
    }

    /// Returns the reason in words, for people.
    pub const fn text(self) -> &'static str {
        match self {
            Bye::Restart => "the server restarts: come back in a moment",
            Bye::Slow => "slow: this client reads less than it is sent",
            Bye::Silent => "no answer to a ping",
            Bye::Flood => "flood: too many commands; come back more slowly",
            Bye::HelloLate => "no `hello` in time",
            Bye::Busy => "too many passwords wait to be checked: come back in a moment",
            Bye::Unauthorized => "a token is needed that proves the name",
            Bye::Expired => "the token has expired: get a new one",
            Bye::Replaced => "the session goes on in another connection",
            Bye::Malformed => "what this client sends is no command",
            Bye::NameLost => "somebody else has this name: take another one",
        }
    }
}
