//! What the line editor asks while a line is edited.

use std::borrow::Cow;
use std::sync::Arc;

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};

use super::editor::Shared;
use super::input::complete;

pub(super) struct Helper(pub(super) Arc<Shared>);

impl rustyline::Helper for Helper {}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> Result<(usize, Vec<String>)> {
        Ok(complete(line, end, &self.0.known()))
    }
}

impl Highlighter for Helper {
    // This is called whenever the line is painted.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        self.0.painted();
        Cow::Borrowed(prompt)
    }
}

impl Validator for Helper {
    fn validate(&self, _: &mut ValidationContext) -> Result<ValidationResult> {
        self.0.completed();
        Ok(ValidationResult::Valid(None))
    }
}

impl Hinter for Helper {
    type Hint = String;
}
