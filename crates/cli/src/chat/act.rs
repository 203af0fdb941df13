//! What the user asks for, and what becomes of it.

use std::borrow::Cow;

use switchboard_chat::Command;

use super::client::Client;
use super::event::{Event, Place};
use super::input::{Action, COMMANDS};
use super::room::Ask;

impl Client {
    /// Does what the user asks for. Returns whether the user leaves.
    pub(super) fn act(&mut self, action: Action) -> bool {
        let done = match action {
            Action::Nothing => Ok(()),
            Action::Quit => return true,
            Action::Say(text) => match self.place.clone() {
                Some(place) => {
                    self.say(place, text);
                    Ok(())
                }
                None => Err(NOWHERE.to_owned()),
            },
            Action::Join(room) => {
                self.join(&room);
                Ok(())
            }
            Action::Part(room) => self.leave(room),
            Action::Tell { to, text } => {
                self.say(Place::User(to), text);
                Ok(())
            }
            Action::Topic(None) => self.show_topic(),
            Action::Topic(Some(text)) => self.in_room(None, |room| Command::Topic {
                room,
                text: Cow::Owned(text),
            }),
            Action::Who(room) => self.in_room(room, |room| Command::Who { room }),
            Action::History(count) => self.older(count),
            Action::Rooms => self.list_rooms(),
            Action::Room(room) => {
                self.join(&room);
                Ok(())
            }
            Action::User(user) => {
                self.speak(Place::User(user));
                Ok(())
            }
            Action::Help => {
                self.help();
                Ok(())
            }
            Action::Wrong(why) => Err(why),
        };
        if let Err(why) = done {
            self.show(Event::Failed(why));
        }
        false
    }

    fn leave(&mut self, room: Option<String>) -> Result<(), String> {
        let name = self.this_room(room)?;
        match self.part(&name) {
            true => {
                self.show(Event::News(format!("#{name}: you have left")));
                Ok(())
            }
            false => Err(format!("you are not in #{name}")),
        }
    }

    fn show_topic(&mut self) -> Result<(), String> {
        let name = self.this_room(None)?;
        let topic = self.room(&name).map(|room| room.topic.clone());
        let text = match topic {
            Some(topic) if !topic.is_empty() => format!("#{name}: topic: {topic}"),
            _ => format!("#{name} has no topic: /topic TEXT sets one"),
        };
        self.show(Event::News(text));
        Ok(())
    }

    fn older(&mut self, count: usize) -> Result<(), String> {
        let name = self.this_room(None)?;
        let before = self.room(&name).and_then(|room| room.oldest);
        self.in_room(None, |room| Command::History {
            room,
            before,
            limit: Some(count),
        })?;
        if let Some(room) = self.room(&name) {
            room.asks.push_back(Ask::User);
        }
        Ok(())
    }

    fn list_rooms(&mut self) -> Result<(), String> {
        for room in &self.rooms {
            let here = self.place.as_ref().is_some_and(|it| it.is_room(&room.name));
            let text = match (here, room.unread) {
                (true, _) => format!("#{}: you speak here", room.name),
                (false, 0) => format!("#{}", room.name),
                (false, unread) => format!("#{}: {unread} new", room.name),
            };
            self.events.push(Event::News(text));
        }
        if self.is_welcome {
            self.send(&Command::Rooms);
        }
        Ok(())
    }

    fn help(&mut self) {
        for (name, arguments, what) in COMMANDS {
            let text = format!("{:<22} {what}", format!("{name} {arguments}"));
            self.show(Event::News(text));
        }
        let text = "all else is said where the prompt points; Tab completes commands and names";
        self.show(Event::News(text.to_owned()));
    }

    /// Sends a command about a room that the client is in.
    fn in_room<'a>(
        &mut self,
        room: Option<String>,
        command: impl FnOnce(Cow<'a, str>) -> Command<'a>,
    ) -> Result<(), String> {
        let name = self.this_room(room)?;
        if self.room(&name).is_none() {
            return Err(format!("you are not in #{name}: /join {name} enters it"));
        }
        if !self.is_welcome {
            return Err("there is no connection: try again when it is back".to_owned());
        }
        self.send(&command(Cow::Owned(name)));
        Ok(())
    }

    /// Returns the room that is meant, which is the one where the user speaks if none is named.
    fn this_room(&self, room: Option<String>) -> Result<String, String> {
        match (room, &self.place) {
            (Some(room), _) => Ok(room),
            (None, Some(Place::Room(room))) => Ok(room.clone()),
            (None, Some(Place::User(user))) => Err(format!(
                "you speak to @{user}, which is no room: /room ROOM changes that"
            )),
            (None, None) => Err(NOWHERE.to_owned()),
        }
    }
}

const NOWHERE: &str = "you are in no room: /join ROOM enters one";

#[cfg(test)]
mod tests {
    use super::super::client::Manner;
    use super::*;

    const WELCOME: &str = r#"{"type":"welcome","nick":"ann","session":"1"}"#;
    const JOINED: &str = r#"{"type":"joined","room":"tea","epoch":1,"offset":0}"#;

    /// Returns a client that has been told these.
    fn client(told: &[&str]) -> Client {
        let manner = Manner {
            older: 20,
            hides_own: true,
        };
        let mut client = Client::new("ann".to_owned(), None, &["tea".to_owned()], manner);
        client.connected();
        for json in told {
            client.told(json).unwrap();
        }
        client
    }

    fn has_failed(client: &Client, part: &str) -> bool {
        let is_meant = |event: &Event| matches!(event, Event::Failed(why) if why.contains(part));
        client.has_failed && client.events.iter().any(is_meant)
    }

    #[test]
    fn what_is_not_said_in_a_room_that_is_left_is_told() {
        let mut ann = client(&[WELCOME, JOINED]);
        ann.lost();
        ann.act(Action::Say("bye all".to_owned()));
        ann.act(Action::Part(None));
        assert!(has_failed(&ann, "not said: “bye all”"), "{:?}", ann.events);
        assert!(ann.unsaid.is_empty() && ann.typed.is_empty());

        let refused = r#"{"type":"error","code":"too_many_rooms","text":"full","room":"tea"}"#;
        let mut ann = client(&[WELCOME]);
        ann.act(Action::Say("hello".to_owned()));
        ann.told(refused).unwrap();
        assert!(has_failed(&ann, "not said: “hello”"), "{:?}", ann.events);
    }

    #[test]
    fn what_was_sent_before_a_room_is_left_is_still_acknowledged() {
        let mut ann = client(&[WELCOME, JOINED]);
        ann.act(Action::Say("bye all".to_owned()));
        ann.act(Action::Part(None));
        assert!(!ann.has_failed, "{:?}", ann.events);
        let id = ann.unsaid[0].id.clone();
        ann.told(&format!(r#"{{"type":"said","room":"tea","id":"{id}"}}"#))
            .unwrap();
        ann.lost();
        assert!(!ann.has_failed, "{:?}", ann.events);

        let mut ann = client(&[WELCOME, JOINED]);
        ann.act(Action::Say("bye all".to_owned()));
        ann.act(Action::Part(None));
        ann.lost();
        assert!(has_failed(&ann, "not said: “bye all”"), "{:?}", ann.events);
        assert!(ann.unsaid.is_empty());
    }

    #[test]
    fn what_is_not_kept_waits_for_nothing() {
        let mut ann = client(&[WELCOME, JOINED]);
        ann.act(Action::Say("hello".to_owned()));
        let id = ann.unsaid[0].id.clone();
        let error = format!(
            r#"{{"type":"error","code":"not_kept","text":"the disk is full","id":"{id}"}}"#
        );
        ann.told(&error).unwrap();
        assert!(has_failed(&ann, "the disk is full"), "{:?}", ann.events);
        assert!(ann.unsaid.is_empty());
    }

    #[test]
    fn a_direct_message_is_forgotten_once_it_is_said() {
        let mut ann = client(&[WELCOME, JOINED]);
        for (to, left) in [("ben", 0), ("ANN", 1)] {
            let (to, text) = (to.to_owned(), "hi".to_owned());
            ann.act(Action::Tell { to, text });
            let id = ann.unsaid[0].id.clone();
            ann.told(&format!(r#"{{"type":"said","room":"@x","id":"{id}"}}"#))
                .unwrap();
            // One to the user comes back by the inbox.
            assert_eq!(ann.typed.len(), left, "{:?}", ann.typed);
        }
    }

    #[test]
    fn only_names_are_completed() {
        let hostile = r#"{"type":"joined","room":"tea","epoch":1,"offset":0,
            "members":[{"nick":"ben"},{"nick":"\u001b]0;owned\u0007"}]}"#;
        let come = r#"{"type":"presence","room":"tea","nick":"\u001b[2J","state":"here"}"#;
        let said =
            r#"{"type":"message","room":"tea","offset":1,"from":"\u009b31m","text":"","time":1}"#;
        let ann = client(&[WELCOME, hostile, come, said]);
        let known = ann.known().users;
        assert_eq!(known.iter().collect::<Vec<_>>(), ["ben"]);
    }
}
