//! What ended a count, in words.

use super::ceilings::{self, Nearest};
use super::watch::{Run, Stop};
use crate::memory::LEFT_TO_OTHERS;
use crate::unit;

impl Run {
    /// Returns whether the machine ended it, and no bound of the experiment's own.
    pub(crate) fn is_limit(&self) -> bool {
        matches!(self.stop, Stop::Refused(_) | Stop::Ended(..))
    }

    /// Names what ended it: `RLIMIT_NOFILE = 20,000 (EMFILE)`.
    pub(crate) fn ended_by(&self) -> String {
        let own = "this experiment's own bound";
        match &self.stop {
            Stop::Most(most) => format!("{own} of {}", unit::number(*most as f64)),
            Stop::Bytes(bytes) => format!("{own} of {} of memory", unit::bytes(*bytes)),
            Stop::Available(available) => format!(
                "{own}: less than {:.0} % of {} of memory were left to others",
                LEFT_TO_OTHERS * 100.0,
                unit::bytes(available.of)
            ),
            Stop::Shared(limit) => format!(
                "{own}: {:.0} % of {} are left to others",
                ceilings::LEFT_TO_OTHERS * 100.0,
                limit.text()
            ),
            Stop::Patience(patience) => format!("{own} of {} s", patience.as_secs()),
            Stop::Refused(failed) => {
                let errno = failed.errno.map(errno);
                match (self.limit(), errno) {
                    (Some(limit), Some(errno)) => format!("{limit} ({errno})"),
                    (Some(limit), None) => format!("{limit} ({})", failed.text),
                    (None, _) => format!("{}; no known limit is near", failed.text),
                }
            }
            Stop::Ended(signal, line) => {
                let how = match signal {
                    Some(6) => "the process aborts".to_owned(),
                    Some(signal) => format!("the process is killed by signal {signal}"),
                    None => "the process ends".to_owned(),
                };
                match self.limit() {
                    Some(limit) => format!("{limit}: {how}"),
                    None => format!("{how} ({line}); no known limit is near"),
                }
            }
        }
    }

    /// Returns the limit that was reached, with what each takes of it, if each takes more than one.
    fn limit(&self) -> Option<String> {
        let count = self.count as f64;
        let near = |nearest: &&Nearest| match nearest.ceiling.in_bytes {
            // Tables and reservations are asked for twice as large as before.
            true => nearest.left <= 3.0 * count,
            false => nearest.left <= (count / 100.0).max(8.0),
        };
        let nearest = self.nearest.as_ref().filter(near)?;
        let mut text = nearest.ceiling.text();
        let unit = match nearest.ceiling.name.as_str() {
            "vm.max_map_count" => Some(format!("{} mappings each", unit::number(nearest.each))),
            "RLIMIT_AS" | "RLIMIT_DATA" => Some(format!("{} each", unit::bytes(nearest.each))),
            _ => None,
        };
        if let Some(unit) = unit {
            text.push_str(", ");
            text.push_str(&unit);
        }
        Some(text)
    }

    /// Names the limit that would have come next, and about when.
    pub(crate) fn next_limit(&self) -> Option<String> {
        let nearest = self.nearest.as_ref().filter(|_| !self.is_limit())?;
        let at = self.count as f64 + nearest.left;
        // Rounded down: what is rounded up may be beyond the limit.
        let unit = 10_f64.powf(at.max(10.0).log10().floor() - 1.0);
        let at = (at / unit).floor() * unit;
        Some(format!(
            "{} at about {}",
            nearest.ceiling.text(),
            unit::times(at)
        ))
    }
}

/// Returns the name of an error of the system that such calls return, or its number.
fn errno(number: i32) -> String {
    match number {
        libc::EAGAIN => "EAGAIN".to_owned(),
        libc::ENOMEM => "ENOMEM".to_owned(),
        libc::ENFILE => "ENFILE".to_owned(),
        libc::EMFILE => "EMFILE".to_owned(),
        libc::EPERM => "EPERM".to_owned(),
        libc::ENOBUFS => "ENOBUFS".to_owned(),
        number => format!("errno {number}"),
    }
}
