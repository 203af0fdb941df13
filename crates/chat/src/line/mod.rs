//! Updates as lines of text, for people and for programs without JSON.
//!
//! A line of what was said begins with the room, and all others with `*` and a word.

mod shown;
mod told;

use std::fmt::{self, Write};

use bytes::Bytes;

pub(crate) use self::shown::Shown;
use self::shown::{Place, Time};
use self::told::{Present, Told};
use crate::Bye;

/// Returns the lines of an update, which is a JSON object. There are none for what the lines leave out.
pub(crate) fn lines(json: &[u8]) -> Bytes {
    let mut text = String::new();
    // Writing to a string never fails.
    let _ = match serde_json::from_slice(json) {
        Ok(told) => write(&mut text, &told),
        // An update that has no line of its own is shown as it is.
        Err(_) => writeln!(text, "* update {}", Shown(&String::from_utf8_lossy(json))),
    };
    Bytes::from(text)
}

/// Returns the last line of a connection.
pub(crate) fn last(bye: Bye) -> String {
    let again = if bye.reconnect() { "yes" } else { "no" };
    let text = match bye {
        Bye::HelloLate => "no `/name` in time",
        _ => bye.text(),
    };
    format!("* bye {} again={again}: {text}\n", bye.code())
}

fn write(text: &mut String, told: &Told<'_>) -> fmt::Result {
    match told {
        Told::Welcome {
            nick,
            session,
            resumed,
        } => {
            let (session, resumed) = (Shown(session), yes(*resumed));
            writeln!(text, "* welcome {nick} session={session} resumed={resumed}")
        }
        Told::Joined { .. } => joined(text, told),
        Told::Left { room } => writeln!(text, "* left {}", Place(room)),
        Told::Message { .. } | Told::Topic { .. } => entry(text, told),
        // What is said in a room comes back as a message.
        Told::Said { room, offset } if room.starts_with('@') => {
            writeln!(text, "* told {room} offset={offset}")
        }
        Told::Said { .. } | Told::Typing {} => Ok(()),
        Told::Presence {
            room,
            nick,
            state,
            count,
        } => writeln!(text, "* {state} {} {nick} members={count}", Place(room)),
        Told::Members {
            room,
            count,
            members,
        } => write_members(text, &Place(room), *count, members),
        Told::History {
            room,
            epoch,
            complete,
            messages,
        } => {
            let (count, complete) = (messages.len(), yes(*complete));
            let room = Place(room);
            writeln!(
                text,
                "* history {room} epoch={epoch} messages={count} complete={complete}"
            )?;
            messages.iter().try_for_each(|told| entry(text, told))
        }
        Told::Queued { room } => writeln!(
            text,
            "* queued {}: it is kept once the store is back",
            Place(room)
        ),
        Told::Status { store } if store == "away" => writeln!(
            text,
            "* store away: what is said has the offset - until it is back"
        ),
        Told::Status { store } => writeln!(text, "* store {store}"),
        Told::Rooms { rooms } => {
            write!(text, "* rooms {}:", rooms.len())?;
            let mut rooms = rooms.iter();
            rooms.try_for_each(|listed| write!(text, " #{}({})", listed.room, listed.count))?;
            text.write_char('\n')
        }
        Told::Gap { room, from, to } => {
            writeln!(text, "* gap {} from={from} to={to}", Place(room))
        }
        Told::Error {
            code,
            text: why,
            room,
        } => error(text, code, why, room.as_deref()),
    }
}

fn joined(text: &mut String, told: &Told<'_>) -> fmt::Result {
    let Told::Joined {
        room,
        epoch,
        offset,
        recovered,
        topic,
        count,
        members,
    } = told
    else {
        return Ok(());
    };
    // An inbox has one reader, and no topic.
    let is_inbox = room.starts_with('@');
    let word = if is_inbox { "inbox" } else { "joined" };
    let room = Place(room);
    write!(text, "* {word} {room} epoch={epoch} offset={offset}")?;
    if let Some(recovered) = recovered {
        write!(text, " recovered={}", yes(*recovered))?;
    }
    text.write_char('\n')?;
    if is_inbox {
        return Ok(());
    }
    if !topic.is_empty() {
        writeln!(text, "* topic {room}: {}", Shown(topic))?;
    }
    write_members(text, &room, *count, members)
}

/// Writes something that was said, or a topic that was set.
fn entry(text: &mut String, told: &Told<'_>) -> fmt::Result {
    let (Told::Message {
        room,
        offset,
        from,
        text: said,
        time,
    }
    | Told::Topic {
        room,
        offset,
        from,
        text: said,
        time,
    }) = told
    else {
        return Ok(());
    };
    write!(text, "{} ", Place(room))?;
    match offset {
        Some(offset) => write!(text, "{offset}")?,
        // It is not kept yet.
        None => text.write_char('-')?,
    }
    write!(text, " {} ", Time(*time))?;
    match told {
        Told::Topic { .. } => writeln!(text, "* {from} sets the topic: {}", Shown(said)),
        _ => writeln!(text, "<{from}> {}", Shown(said)),
    }
}

fn write_members(
    text: &mut String,
    room: &Place<'_>,
    count: usize,
    members: &[Present<'_>],
) -> fmt::Result {
    write!(text, "* members {room} {count}:")?;
    for present in members {
        let away = if present.away { "(away)" } else { "" };
        write!(text, " {}{away}", present.nick)?;
    }
    text.write_char('\n')
}

fn error(text: &mut String, code: &str, why: &str, room: Option<&str>) -> fmt::Result {
    match (code, room) {
        ("not_a_member", Some(room)) => {
            let room = Shown(room);
            writeln!(text, "* error {code}: enter #{room} first, by /join {room}")
        }
        (_, Some(room)) => writeln!(text, "* error {code}: {} (#{})", Shown(why), Shown(room)),
        _ => writeln!(text, "* error {code}: {}", Shown(why)),
    }
}

fn yes(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let text = lines(json.as_bytes());
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected, "{json}");
    }

    #[test]
    fn updates_are_lines() {
        for (json, expected) in [
            (
                r#"{"type":"welcome","nick":"ann","session":"0f3c","resumed":false}"#,
                "* welcome ann session=0f3c resumed=no\n",
            ),
            (
                r#"{"type":"joined","room":"tea","epoch":83,"offset":12,"recovered":true,"topic":"green","count":2,
                "members":[{"nick":"ann"},{"nick":"ben","away":true}]}"#,
                "* joined #tea epoch=83 offset=12 recovered=yes\n* topic #tea: green\n* members #tea 2: ann ben(away)\n",
            ),
            (
                r#"{"type":"joined","room":"@ann","epoch":8,"offset":0,"topic":"","count":1,"members":[]}"#,
                "* inbox @ann epoch=8 offset=0\n",
            ),
            (r#"{"type":"left","room":"tea"}"#, "* left #tea\n"),
            (
                r#"{"type":"message","room":"tea","offset":1,"from":"ann","text":"hi","id":"1","time":951782400123}"#,
                "#tea 1 2000-02-29T00:00:00Z <ann> hi\n",
            ),
            (
                r#"{"type":"message","room":"tea","pending":true,"from":"ann","text":"hi","id":null,"time":0}"#,
                "#tea - 1970-01-01T00:00:00Z <ann> hi\n",
            ),
            (
                r#"{"type":"topic","room":"tea","offset":2,"from":"ann","text":"milk","time":0}"#,
                "#tea 2 1970-01-01T00:00:00Z * ann sets the topic: milk\n",
            ),
            (r#"{"type":"said","room":"tea","offset":2}"#, ""),
            (
                r#"{"type":"said","room":"@ben","offset":2,"id":"7"}"#,
                "* told @ben offset=2\n",
            ),
            (
                r#"{"type":"presence","room":"tea","nick":"ben","state":"gone","count":1}"#,
                "* gone #tea ben members=1\n",
            ),
            (r#"{"type":"typing","room":"tea","nick":"ben"}"#, ""),
            (
                r#"{"type":"members","room":"tea","count":1,"members":[{"nick":"ann"}]}"#,
                "* members #tea 1: ann\n",
            ),
            (
                r#"{"type":"history","room":"tea","epoch":83,"complete":false,"messages":[
                {"type":"message","room":"tea","offset":1,"from":"ann","text":"a","time":0},
                {"type":"topic","room":"tea","offset":2,"from":"ben","text":"b","time":0}]}"#,
                "* history #tea epoch=83 messages=2 complete=no\n#tea 1 1970-01-01T00:00:00Z <ann> a\n\
                 #tea 2 1970-01-01T00:00:00Z * ben sets the topic: b\n",
            ),
            (
                r#"{"type":"queued","room":"tea","id":"1"}"#,
                "* queued #tea: it is kept once the store is back\n",
            ),
            (r#"{"type":"status","store":"here"}"#, "* store here\n"),
            (
                r#"{"type":"rooms","rooms":[{"room":"milk","count":1},{"room":"tea","count":3}]}"#,
                "* rooms 2: #milk(1) #tea(3)\n",
            ),
            (
                r#"{"type":"gap","room":"tea","from":3,"to":9}"#,
                "* gap #tea from=3 to=9\n",
            ),
            (
                r#"{"type":"error","code":"nick_taken","text":"take another one"}"#,
                "* error nick_taken: take another one\n",
            ),
            (
                r#"{"type":"error","code":"not_a_member","text":"enter it","room":"tea"}"#,
                "* error not_a_member: enter #tea first, by /join tea\n",
            ),
            (
                r#"{"type":"news","text":"a\u001bb"}"#,
                "* update {\"type\":\"news\",\"text\":\"a\\u001bb\"}\n",
            ),
        ] {
            check(json, expected);
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_is_passed_on() {
        let said = r"a\nb\u001b[31m\u0007\u007f\u009b\u202eDROW\u2028\t¯\\_(ツ)_/¯";
        let json = format!(
            r#"{{"type":"message","room":"tea","offset":1,"from":"ann","text":"{said}","time":0}}"#
        );
        let expected = "#tea 1 1970-01-01T00:00:00Z <ann> a␊b␛[31m␇␡��DROW�␉¯\\_(ツ)_/¯\n";
        check(&json, expected);
        check(
            r#"{"type":"welcome","nick":"ann","session":"0f3c\u001b[2J\r","resumed":false}"#,
            "* welcome ann session=0f3c␛[2J␍ resumed=no\n",
        );
    }

    #[test]
    fn an_end_says_whether_to_come_back() {
        assert_eq!(
            last(Bye::Restart),
            "* bye 4000 again=yes: the server restarts: come back in a moment\n"
        );
        assert!(last(Bye::Replaced).starts_with("* bye 4502 again=no: "));
    }
}
