//! What a user types: messages and commands, and how they are completed.

use std::collections::BTreeSet;
use std::str::FromStr;

use switchboard_chat::Name;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// Say this where the user is.
    Say(String),
    Join(String),
    /// Leave this room, or the one where the user is.
    Part(Option<String>),
    Tell {
        to: String,
        text: String,
    },
    /// Show the topic, or set it.
    Topic(Option<String>),
    Who(Option<String>),
    /// Show so many older messages.
    History(usize),
    /// Show the rooms.
    Rooms,
    /// Speak in this room from now on.
    Room(String),
    /// Speak to this user from now on.
    User(String),
    Help,
    Quit,
    /// The line is no command that can be carried out; the text says why.
    Wrong(String),
}

/// The commands, with what follows them and what they do.
pub(super) const COMMANDS: [(&str, &str, &str); 9] = [
    ("/join", "ROOM", "enter a room, and speak in it"),
    ("/part", "[ROOM]", "leave a room"),
    (
        "/room",
        "[ROOM|@NAME]",
        "speak elsewhere; alone: list the rooms",
    ),
    ("/msg", "NAME TEXT", "say something to one user"),
    ("/topic", "[TEXT|-]", "show, set or clear the room's topic"),
    ("/who", "[ROOM]", "show who is in the room"),
    ("/history", "[N]", "show 20 or N older messages of the room"),
    ("/help", "", "show this list"),
    ("/quit", "", "leave; so does Ctrl-D"),
];

/// How many messages `/history` asks for.
const OLDER: usize = 20;

/// Reads a line.
pub(super) fn parse(line: &str) -> Action {
    let line = line.trim_end();
    if line.trim_start().is_empty() {
        return Action::Nothing;
    }
    if let Some(text) = line.strip_prefix('/').filter(|text| text.starts_with('/')) {
        return Action::Say(text.to_owned());
    }
    if !line.starts_with('/') {
        return Action::Say(line.to_owned());
    }
    let (command, rest) = line
        .split_once(char::is_whitespace)
        .map_or((line, ""), |(command, rest)| (command, rest.trim()));
    carry_out(command, rest).unwrap_or_else(Action::Wrong)
}

fn carry_out(command: &str, rest: &str) -> Result<Action, String> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let some_room = || match rest {
        "" => Ok(None),
        _ => room(rest).map(Some),
    };
    Ok(match command {
        "/me" if !rest.is_empty() => Action::Say(format!("/me {rest}")),
        "/join" => Action::Join(room(rest).map_err(|why| usage(command, why))?),
        "/part" | "/leave" => Action::Part(some_room()?),
        "/room" | "/rooms" => match rest.strip_prefix('@') {
            Some(user) => Action::User(name(user)?),
            None if rest.is_empty() => Action::Rooms,
            None => Action::Room(room(rest)?),
        },
        "/msg" => {
            let Some((to, text)) = rest.split_once(char::is_whitespace) else {
                return Err("write /msg NAME TEXT".to_owned());
            };
            let (to, text) = (name(to.trim_start_matches('@'))?, text.trim().to_owned());
            Action::Tell { to, text }
        }
        "/topic" => Action::Topic(some(rest).map(|text| match &*text {
            "-" => String::new(),
            _ => text,
        })),
        "/who" => Action::Who(some_room()?),
        "/history" if rest.is_empty() => Action::History(OLDER),
        "/history" => match rest.parse() {
            Ok(count @ 1..) => Action::History(count),
            _ => return Err("write /history, or /history and a number".to_owned()),
        },
        "/help" | "/?" => Action::Help,
        "/quit" | "/exit" => Action::Quit,
        _ => {
            return Err(format!(
                "{command} is no command: /help shows those there are. For a message that begins with a slash, write two"
            ));
        }
    })
}

fn usage(command: &str, why: String) -> String {
    let known = COMMANDS.iter().find(|(name, ..)| *name == command);
    let arguments = known.map_or("", |(_, arguments, _)| *arguments);
    format!("{why}: write {command} {arguments}")
}

fn room(text: &str) -> Result<String, String> {
    name(text.strip_prefix('#').unwrap_or(text))
}

fn name(text: &str) -> Result<String, String> {
    let name = Name::from_str(text).map_err(|error| error.to_string())?;
    Ok(name.to_string())
}

/// The names that are completed.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) rooms: Vec<String>,
    pub(super) users: BTreeSet<String>,
}

/// Returns where the word begins that ends at `end`, and what it may be completed to.
pub(super) fn complete(line: &str, end: usize, known: &Known) -> (usize, Vec<String>) {
    let line = &line[..end];
    let start = line.rfind(char::is_whitespace).map_or(0, |at| {
        at + line[at..].chars().next().map_or(1, char::len_utf8)
    });
    let word = &line[start..];
    let before: Vec<_> = line[..start].split_whitespace().collect();
    let rooms = || known.rooms.iter();
    let candidates: Vec<String> = match *before {
        [] if word.starts_with('/') => {
            let commands = COMMANDS.iter().filter(|(name, ..)| name.starts_with(word));
            commands.map(|(name, ..)| format!("{name} ")).collect()
        }
        ["/join" | "/part" | "/leave" | "/who"] => starting(rooms(), word, "", ""),
        ["/room"] => match word.strip_prefix('@') {
            Some(user) => starting(known.users.iter(), user, "@", ""),
            None => starting(rooms(), word, "", ""),
        },
        ["/msg"] => starting(known.users.iter(), word, "", " "),
        // A name alone at the beginning is whom the line is for.
        [] if !word.is_empty() => starting(known.users.iter(), word, "", ": "),
        [_, ..] if !word.is_empty() => starting(known.users.iter(), word, "", " "),
        _ => Vec::new(),
    };
    (start, candidates)
}

fn starting<'a>(
    names: impl Iterator<Item = &'a String>,
    word: &str,
    before: &str,
    after: &str,
) -> Vec<String> {
    let folded = word.trim_start_matches('#').to_lowercase();
    let matching = names.filter(|name| name.to_lowercase().starts_with(&folded));
    matching
        .map(|name| format!("{before}{name}{after}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        let say = |text: &str| Action::Say(text.to_owned());
        let own = |text: &str| text.to_owned();
        let known = [
            ("", Action::Nothing),
            ("  \t ", Action::Nothing),
            ("hello ", say("hello")),
            ("  indented", say("  indented")),
            ("//usr/bin", say("/usr/bin")),
            ("/me waves", say("/me waves")),
            ("/join #tea", Action::Join(own("tea"))),
            ("/part", Action::Part(None)),
            ("/leave tea", Action::Part(Some(own("tea")))),
            ("/room", Action::Rooms),
            ("/room tea", Action::Room(own("tea"))),
            ("/room @ben", Action::User(own("ben"))),
            ("/topic", Action::Topic(None)),
            ("/topic  green tea", Action::Topic(Some(own("green tea")))),
            ("/topic -", Action::Topic(Some(String::new()))),
            ("/who", Action::Who(None)),
            ("/history", Action::History(20)),
            ("/history 5", Action::History(5)),
            ("/help", Action::Help),
            ("/quit", Action::Quit),
        ];
        for (line, action) in known {
            assert_eq!(parse(line), action, "{line:?}");
        }
        let told = Action::Tell {
            to: own("ben"),
            text: own("how are you?"),
        };
        assert_eq!(parse("/msg @ben  how are you?"), told);
    }

    #[test]
    fn what_is_no_command_says_why() {
        let wrong = [
            ("/jion tea", "/jion is no command"),
            ("/join", "write /join ROOM"),
            ("/join a b", "`a b` is no name"),
            ("/msg ben", "write /msg NAME TEXT"),
            ("/history soon", "write /history"),
            ("/history 0", "write /history"),
        ];
        for (line, expected) in wrong {
            let Action::Wrong(why) = parse(line) else {
                panic!("{line:?} was understood")
            };
            assert!(why.contains(expected), "{line:?}: {why}");
        }
    }

    #[test]
    fn commands_rooms_and_names_are_completed() {
        let known = Known {
            rooms: vec!["tea".to_owned(), "garden".to_owned()],
            users: ["Ann", "anton", "ben"].map(str::to_owned).into(),
        };
        let completed = |line: &str| complete(line, line.len(), &known);
        assert_eq!(
            completed("/h"),
            (0, vec!["/history ".into(), "/help ".into()])
        );
        assert_eq!(completed("/part #t"), (6, vec!["tea".into()]));
        assert_eq!(
            completed("/msg an"),
            (5, vec!["Ann ".into(), "anton ".into()])
        );
        assert_eq!(completed("/room @b"), (6, vec!["@ben".into()]));
        assert_eq!(completed("be"), (0, vec!["ben: ".into()]));
        assert_eq!(completed("ask be"), (4, vec!["ben ".into()]));
        assert_eq!(completed("ask\u{3000}be"), (6, vec!["ben ".into()]));
        assert_eq!(completed(""), (0, Vec::new()));
        assert_eq!(complete("/h tail", 2, &known).1.len(), 2);
    }
}
