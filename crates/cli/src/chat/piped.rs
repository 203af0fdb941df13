//! Standard input and output that are no terminal: lines of text.

use std::future;
use std::io;

use switchboard_runtime::{self as runtime, stdio};

use super::display;
use super::event::Event;
use super::front::Input;
use crate::output::{self, Failure};

/// The most bytes of a line.
const LONGEST: usize = 1024 * 1024;

pub(super) struct Piped {
    input: stdio::Input,
    /// What was read behind the last line.
    unread: Vec<u8>,
    has_ended: bool,
    /// The end was returned.
    is_told: bool,
}

impl Piped {
    pub(super) fn new() -> io::Result<Piped> {
        Ok(Piped {
            input: runtime::stdin()?,
            unread: Vec::new(),
            has_ended: false,
            is_told: false,
        })
    }

    /// Waits for the next line. May be dropped at any moment.
    pub(super) async fn next(&mut self) -> Result<Input, Failure> {
        loop {
            if let Some(line) = self.line()? {
                return Ok(line);
            }
            if self.has_ended {
                if std::mem::replace(&mut self.is_told, true) {
                    return future::pending().await;
                }
                return Ok(Input::End);
            }
            let mut buffer = [0; 16 * 1024];
            let read = self.input.read(&mut buffer).await;
            let read = read.map_err(|error| wrong(&error))?;
            self.unread.extend_from_slice(&buffer[..read]);
            self.has_ended = read == 0;
            if self.has_ended && !self.unread.is_empty() {
                self.unread.push(b'\n');
            }
        }
    }

    /// Takes a line out of what was read.
    fn line(&mut self) -> Result<Option<Input>, Failure> {
        let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
            return match self.unread.len() {
                ..LONGEST => Ok(None),
                _ => Err(wrong(&"a line is longer than 1 MiB")),
            };
        };
        let line: Vec<u8> = self.unread.drain(..=end).take(end).collect();
        Ok(Some(match String::from_utf8(line) {
            Ok(line) => Input::Line(line.trim_end_matches('\r').to_owned()),
            Err(_) => Input::Wrong("a line is not UTF-8, and was not said".to_owned()),
        }))
    }

    /// Writes what belongs to a conversation to stdout, and remarks to stderr.
    pub(super) fn show(&self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::News(_) => Ok(()),
            Event::Notice(text) | Event::Failed(text) => {
                output::complain(super::text::visible(text, false));
                Ok(())
            }
            _ => display::line(event).map_or(Ok(()), output::print),
        }
    }
}

fn wrong(error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("standard input: {error}"))
}
