//! Terminators: the ends of messages.

/// The end of a message.
///
/// ```
/// use switchboard_callbacks::{AsyncChat, Chat, ChatHandler, Terminator};
///
/// struct Ignore;
/// impl ChatHandler for Ignore {
///     fn collect_incoming_data(&mut self, _: &[u8]) {}
///     fn found_terminator(&mut self, _: &Chat) {}
/// }
///
/// let line = Terminator::Bytes(b"\r\n".to_vec());
/// let chat = AsyncChat::new(Ignore, line.clone()).chat().clone();
/// assert_eq!(chat.terminator(), line);
/// chat.set_terminator(Terminator::Length(0));
/// assert_eq!(chat.terminator(), Terminator::None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// The message ends before these bytes, which are not collected. An empty vector means
    /// [`Terminator::None`].
    Bytes(Vec<u8>),
    /// The message has this many bytes. [`Terminator::None`] follows unless another one is set. Zero means
    /// [`Terminator::None`].
    Length(usize),
    /// The message does not end; all bytes are collected.
    None,
}

/// The next step for the input.
pub(super) struct Cut {
    /// The number of bytes to collect.
    pub(super) collect: usize,
    /// The number of bytes of the terminator after them.
    pub(super) skip: usize,
    /// Whether the message ends there.
    pub(super) found: bool,
}

impl Cut {
    fn collect(collect: usize) -> Cut {
        Cut {
            collect,
            skip: 0,
            found: false,
        }
    }

    fn found(collect: usize, skip: usize) -> Cut {
        Cut {
            collect,
            skip,
            found: true,
        }
    }
}

impl Terminator {
    /// Returns the terminator with each form of "no end" as [`Terminator::None`].
    pub(super) fn normalized(self) -> Terminator {
        match self {
            Terminator::Bytes(bytes) if bytes.is_empty() => Terminator::None,
            Terminator::Length(0) => Terminator::None,
            other => other,
        }
    }

    /// Returns the next step for `input`, and counts a length down.
    pub(super) fn cut(&mut self, input: &[u8]) -> Cut {
        match self {
            Terminator::None => Cut::collect(input.len()),
            Terminator::Length(length) if *length > input.len() => {
                *length -= input.len();
                Cut::collect(input.len())
            }
            &mut Terminator::Length(length) => {
                *self = Terminator::None;
                Cut::found(length, 0)
            }
            Terminator::Bytes(bytes) => match position(input, bytes) {
                Some(at) => Cut::found(at, bytes.len()),
                None => Cut::collect(input.len() - partial_length(input, bytes)),
            },
        }
    }
}

fn position(input: &[u8], bytes: &[u8]) -> Option<usize> {
    input
        .windows(bytes.len())
        .position(|window| window == bytes)
}

/// Returns how many bytes at the end of `input` are the beginning of `bytes`.
fn partial_length(input: &[u8], bytes: &[u8]) -> usize {
    let longest = input.len().min(bytes.len() - 1);
    (1..=longest)
        .rev()
        .find(|length| input.ends_with(&bytes[..*length]))
        .unwrap_or(0)
}
