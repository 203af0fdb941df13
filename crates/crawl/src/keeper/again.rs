//! Whether a request is sent again.

/// How often a request is sent again because its host asked to wait, which is no failure.
const WAITS: u8 = 5;

/// Whether a request that has ended may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    /// It has failed, and may succeed later.
    Failed,
    /// The host has asked to wait: by 429, or by `Retry-After`.
    Asked,
}

impl Again {
    /// Counts a try, and returns whether the request is sent again. Who wants no retries gets none.
    pub(crate) fn is_sent(self, tries: &mut u8, waits: &mut u8, retries: u8) -> bool {
        *tries = tries.saturating_add(1);
        *waits += u8::from(self == Again::Asked);
        let may = match self {
            Again::Never => false,
            Again::Failed => *tries - *waits <= retries,
            Again::Asked => *waits <= WAITS,
        };
        // The last number of tries is the last one.
        may && retries > 0 && *tries < u8::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::Again::{self, Asked, Failed, Never};
    use super::WAITS;

    #[test]
    fn waits_that_a_host_asks_for_are_no_failures_and_have_a_limit() {
        let sent = |ends: &[Again], retries: u8| {
            let (mut tries, mut waits) = (0, 0);
            let ends = ends.iter();
            let again = ends.take_while(|end| end.is_sent(&mut tries, &mut waits, retries));
            again.count()
        };
        assert_eq!(sent(&[Failed; 9], 2), 2);
        assert_eq!(sent(&[Asked; 9], 2), usize::from(WAITS));
        assert_eq!(sent(&[Asked, Failed, Asked, Failed, Asked, Failed], 2), 5);
        assert_eq!(sent(&[Asked, Never], 2), 1);
        assert_eq!(sent(&[Asked; 9], 0), 0);
        assert_eq!(sent(&[Failed; 600], u8::MAX), 254);
    }
}
