//! The threads of a terminal: one edits a line, the other one prints above it.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Editor, ExternalPrinter};
use switchboard_runtime::Sender;

use super::front::Input;
use super::helper::Helper;
use super::input::Known;
use crate::output::Failure;

/// How long the last lines may take at the end.
pub(super) const LAST: Duration = Duration::from_secs(1);

/// What the threads share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    known: Mutex<Known>,
}

#[derive(Default)]
struct State {
    stage: Stage,
    /// How many times the line was painted.
    paints: u64,
}

/// What the editor does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It waits for its next prompt.
    #[default]
    Idle,
    /// It changes the mode of the terminal and prints the prompt.
    Begins,
    /// A line is edited.
    Edits,
    /// A line is complete, and the mode changes back.
    Ends,
    /// There are no more lines.
    Over,
}

impl State {
    /// The mode of the terminal changes.
    fn changes(&mut self) -> bool {
        matches!(self.stage, Stage::Begins | Stage::Ends)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with another stage, unless there are no more lines. Returns whether it does.
    fn go_on(&self, stage: Stage) -> bool {
        let mut state = self.state();
        if state.stage == Stage::Over {
            return false;
        }
        state.stage = stage;
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Notes that the line was painted.
    pub(super) fn painted(&self) {
        let mut state = self.state();
        state.paints += 1;
        if state.stage == Stage::Begins {
            state.stage = Stage::Edits;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Notes that the line is complete.
    pub(super) fn completed(&self) {
        self.go_on(Stage::Ends);
    }

    /// Has no more lines edited, after those changes that are under way. Returns whether one is edited still.
    pub(super) fn end(&self, limit: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, State::changes);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut state.stage, Stage::Over) != Stage::Idle
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Edits lines until there are no more prompts.
pub(super) fn edit(
    mut editor: Editor<Helper, MemHistory>,
    prompts: &mpsc::Receiver<(String, String)>,
    typing: &Sender<Result<Input, Failure>>,
    shared: &Shared,
) {
    while let Ok(prompt) = prompts.recv() {
        if !shared.go_on(Stage::Begins) {
            return;
        }
        let read = editor.readline(&prompt);
        shared.go_on(Stage::Idle);
        let input = match read {
            Ok(line) => Ok(Input::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Input::Discarded),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => Ok(
                Input::Wrong("what was typed is not UTF-8, and was discarded".to_owned()),
            ),
            Err(error) => Err(Failure::Failed(format!("terminal: {error}"))),
        };
        if typing.send_blocking(input).is_err() {
            return;
        }
    }
}

/// Prints until there is nothing more to print.
pub(super) fn print_all(
    mut printer: impl ExternalPrinter,
    lines: &mpsc::Receiver<String>,
    shared: &Shared,
) {
    let mut painted = None;
    for line in lines {
        let waited = shared.changed.wait_while(shared.state(), State::changes);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        let printed = match state.stage {
            Stage::Edits => {
                painted = Some(state.paints);
                // The editor itself prints, and paints.
                drop(state);
                printer.print(line)
            }
            _ => {
                painted = None;
                // The editor, which does not begin meanwhile, has nothing to do with this.
                let printed = printer.print(line);
                drop(state);
                printed
            }
        };
        if printed.is_err() {
            return;
        }
    }
    // The editor paints its line again below the last one.
    if let Some(painted) = painted {
        let waits = |state: &mut State| state.paints == painted && state.stage == Stage::Edits;
        let state = shared.state();
        let _ = shared.changed.wait_timeout_while(state, LAST, waits);
    }
}
