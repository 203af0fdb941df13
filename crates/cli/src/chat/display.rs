//! What is shown, as lines for people and as lines for programs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use time::UtcOffset;

use super::event::{Entry, Event, Place};
use super::text::{clock, close_up, utc, visible};

/// How lines for people look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) is_coloured: bool,
    /// The user's own time.
    pub(super) offset: UtcOffset,
}

/// Parameters of the sequence that chooses a style.
type Style = &'static str;

const DIM: Style = "2";
const BOLD: Style = "1";
const WARNING: Style = "33";
const ERROR: Style = "31";
/// A room in which the user does not speak at the moment.
const ELSEWHERE: Style = "1;33";
const DIRECT: Style = "1;35";
/// Those of names, readable on light and on dark.
const NAMES: [Style; 4] = ["32", "36", "35", "94"];

impl Look {
    /// Returns an event as lines for people, with a line feed at the end.
    pub(super) fn lines(&self, event: &Event, now: SystemTime) -> String {
        match event {
            Event::Said(entry) => self.said(entry, now),
            Event::Topic(entry) => {
                let (time, place) = (self.time(entry, now), self.place(entry));
                let (name, text) = (self.name(entry), close_up(&visible(&entry.text, false)));
                match text.is_empty() {
                    true => format!("{time} {place} {name} has removed the topic\n"),
                    false => format!("{time} {place} {name} has set the topic: {text}\n"),
                }
            }
            Event::Missing(place, count) => self.remark(WARNING, &missing(place, *count)),
            Event::News(text) => self.remark(DIM, text),
            Event::Notice(text) => self.remark(WARNING, text),
            Event::Failed(text) => self.remark(ERROR, text),
        }
    }

    fn said(&self, entry: &Entry, now: SystemTime) -> String {
        let (time, place) = (self.time(entry, now), self.place(entry));
        let text = close_up(&visible(&entry.text, true));
        let head = match entry.place {
            Place::User(_) => format!("{time} {place}"),
            Place::Room(_) => format!("{time} {place} {}", self.name(entry)),
        };
        let action = text.strip_prefix("/me ");
        let (mark, text) = action.map_or((":", &*text), |text| ("", text));
        let mut lines = text.split('\n');
        let mut written = format!("{head}{mark} {}\n", lines.next().unwrap_or_default());
        for line in lines {
            // So that it does not look like a line of its own.
            written += &format!("      {} {line}\n", self.styled(DIM, "|"));
        }
        written
    }

    /// Returns what stands before the line that is being typed, and the same with its style.
    pub(super) fn prompt(&self, place: Option<&Place>) -> (String, String) {
        let text = place.map_or_else(String::new, |place| {
            visible(&place.to_string(), false).into_owned()
        });
        (
            format!("{text}> "),
            format!("{}> ", self.styled(BOLD, &text)),
        )
    }

    fn time(&self, entry: &Entry, now: SystemTime) -> String {
        self.styled(DIM, &clock(entry.time, now, self.offset))
    }

    fn place(&self, entry: &Entry) -> String {
        let style = match (&entry.place, entry.is_elsewhere) {
            (Place::User(_), _) => DIRECT,
            (Place::Room(_), true) => ELSEWHERE,
            (Place::Room(_), false) => DIM,
        };
        self.styled(style, &visible(&entry.place.to_string(), false))
    }

    fn name(&self, entry: &Entry) -> String {
        let mut hasher = DefaultHasher::new();
        entry.from.to_lowercase().hash(&mut hasher);
        let style = match entry.is_own {
            true => BOLD,
            false => NAMES[(hasher.finish() % NAMES.len() as u64) as usize],
        };
        self.styled(style, &visible(&entry.from, false))
    }

    fn remark(&self, style: Style, text: &str) -> String {
        let text = format!("* {}", visible(text, false));
        format!("{}\n", self.styled(style, &text))
    }

    fn styled(&self, style: Style, text: &str) -> String {
        match self.is_coloured && !text.is_empty() {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Returns an event as one line for programs, if it is part of a conversation.
pub(super) fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Said(entry) => {
            let (time, place, text) = (utc(entry.time), &entry.place, &entry.text);
            match place {
                Place::Room(_) => shown(format_args!("{time} {place} {}: {text}", entry.from)),
                Place::User(_) => shown(format_args!("{time} {place}: {text}")),
            }
        }
        Event::Topic(entry) => {
            let (time, place, text) = (utc(entry.time), &entry.place, &entry.text);
            let from = &entry.from;
            shown(format_args!(
                "{time} {place} {from} has set the topic: {text}"
            ))
        }
        Event::Missing(place, count) => shown(format_args!("* {}", missing(place, *count))),
        Event::News(_) | Event::Notice(_) | Event::Failed(_) => return None,
    })
}

fn shown(text: std::fmt::Arguments<'_>) -> String {
    format!("{}\n", visible(&text.to_string(), false))
}

fn missing(place: &Place, count: Option<u64>) -> String {
    let place = match place {
        Place::Room(_) => place.to_string(),
        Place::User(_) => "to you".to_owned(),
    };
    match count {
        Some(1) => format!("{place}: 1 message is missing here"),
        Some(count) => format!("{place}: {count} messages are missing here"),
        None => format!(
            "{place}: messages may be missing here: the server has lost what was said before"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        is_coloured: false,
        offset: UtcOffset::UTC,
    };
    const COLOURED: Look = Look {
        is_coloured: true,
        offset: UtcOffset::UTC,
    };

    fn entry(place: Place, text: &str) -> Entry {
        Entry {
            place,
            from: "ben".to_owned(),
            text: text.to_owned(),
            time: 1_800_000_000_000,
            is_elsewhere: false,
            is_own: false,
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_030)
    }

    fn tea(text: &str) -> Event {
        Event::Said(entry(Place::Room("tea".to_owned()), text))
    }

    #[test]
    fn people_and_programs_get_lines() {
        let direct = Event::Said(entry(Place::User("ben".to_owned()), "hi"));
        let topic = Event::Topic(entry(Place::Room("tea".to_owned()), "green"));
        let shown = [
            (
                tea("hello"),
                "08:00 #tea ben: hello\n",
                "2027-01-15T08:00:00Z #tea ben: hello\n",
            ),
            (
                tea("/me waves"),
                "08:00 #tea ben waves\n",
                "2027-01-15T08:00:00Z #tea ben: /me waves\n",
            ),
            (
                direct,
                "08:00 @ben: hi\n",
                "2027-01-15T08:00:00Z @ben: hi\n",
            ),
            (
                topic,
                "08:00 #tea ben has set the topic: green\n",
                "2027-01-15T08:00:00Z #tea ben has set the topic: green\n",
            ),
            (
                Event::Missing(Place::Room("tea".to_owned()), Some(3)),
                "* #tea: 3 messages are missing here\n",
                "* #tea: 3 messages are missing here\n",
            ),
        ];
        for (event, people, programs) in shown {
            assert_eq!(PLAIN.lines(&event, now()), people);
            assert_eq!(line(&event).as_deref(), Some(programs));
        }
        assert_eq!(line(&Event::News("ben has come".to_owned())), None);
    }

    #[test]
    fn a_line_feed_makes_no_other_message() {
        let forged = tea("hi\n08:00 #tea ann: I quit\r\x1b[A");
        let shown = "08:00 #tea ben: hi\n      | 08:00 #tea ann: I quit\\r\\u{1b}[A\n";
        assert_eq!(PLAIN.lines(&forged, now()), shown);
        let line = line(&forged).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
    }

    #[test]
    fn spaces_do_not_fill_a_row_of_the_screen() {
        for space in [" ", "\u{a0}", "\u{2003}", "\u{2800}", "\u{3000}"] {
            let forged = tea(&format!("hi{}08:00 #tea ann: I quit", space.repeat(63)));
            let shown = format!(
                "08:00 #tea ben: hi{}08:00 #tea ann: I quit\n",
                space.repeat(16)
            );
            assert_eq!(PLAIN.lines(&forged, now()), shown);
        }
        let indented = tea("    if it is\n        so");
        let shown = "08:00 #tea ben:     if it is\n      |         so\n";
        assert_eq!(PLAIN.lines(&indented, now()), shown);
    }

    #[test]
    fn colours_are_added_and_change_no_text() {
        let event = tea("hello");
        let coloured = COLOURED.lines(&event, now());
        let sequences = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        assert!(sequences.is_match(&coloured));
        assert_eq!(
            sequences.replace_all(&coloured, ""),
            PLAIN.lines(&event, now())
        );
        let (raw, styled) = COLOURED.prompt(Some(&Place::Room("tea".to_owned())));
        assert_eq!((&*raw, &*styled), ("#tea> ", "\x1b[1m#tea\x1b[0m> "));
        assert_eq!(PLAIN.prompt(None).1, "> ");
    }
}
