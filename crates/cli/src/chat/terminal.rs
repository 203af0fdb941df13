//! A terminal: a line that is edited below what is shown.
//!
//! The editor blocks a thread of its own, and so does its printer, which keeps the line below what it prints. Between two
//! lines, what is shown is written as it is; while the editor begins a line or completes one, nothing is.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, TrySendError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::termios::{InputModes, LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::history::MemHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};
use switchboard_runtime::signal::{Signal, Signals};
use switchboard_runtime::{self as runtime, Receiver};

use super::display::Look;
use super::editor::{LAST, Shared, edit, print_all};
use super::event::{Event, Place};
use super::front::Input;
use super::helper::Helper;
use super::input::Known;
use crate::output::{Count, Failure};

/// The most events that wait to be printed.
const WAITING: usize = 1024;

pub(super) struct Terminal {
    look: Look,
    typed: Receiver<Result<Input, Failure>>,
    /// What stands before the next line, without and with its style.
    prompts: mpsc::Sender<(String, String)>,
    /// `None` once nothing more is shown.
    printed: Option<mpsc::SyncSender<String>>,
    /// How many events were dropped since the terminal has taken one.
    dropped: Cell<u64>,
    /// Fails once all is printed.
    end: mpsc::Receiver<()>,
    shared: Arc<Shared>,
    signals: Signals,
    /// Put back last.
    _mode: Mode,
}

impl Terminal {
    /// Takes the terminal, whose mode is as before once the value is dropped.
    pub(super) fn new(look: Look) -> Result<Terminal, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("terminal: {error}"));
        let mode = Mode::quiet().map_err(|error| failed(&error))?;
        let shared = Arc::<Shared>::default();
        let config = Config::builder()
            .completion_type(CompletionType::List)
            // The editor prints nothing of others while it waits for an answer, or for a second Tab.
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(usize::MAX)
            // The styles are ours.
            .color_mode(ColorMode::Forced)
            .auto_add_history(true)
            .build();
        let history = MemHistory::with_config(&config);
        let editor = Editor::with_history(config, history);
        let mut editor = editor.map_err(|error| failed(&error))?;
        editor.set_helper(Some(Helper(shared.clone())));
        let printer = editor.create_external_printer();
        let printer = printer.map_err(|error| failed(&error))?;
        let (typing, typed) = runtime::channel(16);
        let (prompts, prompt) = mpsc::channel();
        let (printed, lines) = mpsc::sync_channel(WAITING);
        let (ends, end) = mpsc::channel();
        let edits = shared.clone();
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("chat-editor")
            .spawn(move || edit(editor, &prompt, &typing, &edits))
            .map_err(|error| failed(&error))?;
        let prints = shared.clone();
        named("chat-printer")
            .spawn(move || {
                print_all(printer, &lines, &prints);
                drop(ends);
            })
            .map_err(|error| failed(&error))?;
        Ok(Terminal {
            look,
            typed,
            prompts,
            printed: Some(printed),
            dropped: Cell::new(0),
            end,
            shared,
            _mode: mode,
            signals: Signals::new(&[Signal::TERMINATE, Signal::HANGUP])?,
        })
    }

    pub(super) async fn next(&mut self) -> Result<Input, Failure> {
        let typed = async { self.typed.recv().await.unwrap_or(Ok(Input::End)) };
        let signalled = async {
            // Without signals, the terminal is as it was left.
            let _ = self.signals.recv().await;
            Ok(Input::End)
        };
        runtime::race(typed, signalled).await
    }

    pub(super) fn ready(&self, place: Option<&Place>, known: Known) {
        *self.shared.known() = known;
        // Fails only if the editor has ended, which `next` tells.
        let _ = self.prompts.send(self.look.prompt(place));
    }

    /// Shows an event above the line. If too many wait, blocks for at most [`LAST`], and drops it and those that follow until
    /// the terminal takes more: while the user searches the history, the editor prints nothing.
    pub(super) fn show(&self, event: &Event) {
        if !self.tell_dropped() || !self.print(event, LAST) {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Tells how much was dropped, if anything was. Returns whether there is place for more.
    fn tell_dropped(&self) -> bool {
        let count = Count(self.dropped.get(), "event");
        if count.0 > 0 {
            let text = format!("{count} not shown here: the terminal did not take more");
            if !self.print(&Event::Notice(text), Duration::ZERO) {
                return false;
            }
            self.dropped.set(0);
        }
        true
    }

    /// Has an event printed once there is place for it. Returns whether there is.
    fn print(&self, event: &Event, limit: Duration) -> bool {
        let Some(printed) = &self.printed else {
            return true;
        };
        let end = Instant::now() + limit;
        let mut lines = self.look.lines(event, SystemTime::now());
        loop {
            lines = match printed.try_send(lines) {
                // It is disconnected only if the terminal is gone, which `next` tells.
                Ok(()) | Err(TrySendError::Disconnected(_)) => return true,
                Err(TrySendError::Full(_)) if Instant::now() >= end => return false,
                Err(TrySendError::Full(lines)) => lines,
            };
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tell_dropped();
        self.printed = None;
        // It never holds anything; it fails when all is printed, or the time is over.
        let _ = self.end.recv_timeout(LAST);
        if self.shared.end(LAST) {
            // The editor still waits for a key, so this is undone for it: its line, and marks around what is pasted.
            let _ = io::stdout().write_all(b"\r\x1b[J\x1b[?2004l");
            let _ = io::stdout().flush();
        }
    }
}

/// The mode that the terminal had before, and has again once this is dropped.
struct Mode(Termios);

impl Mode {
    /// Has the terminal show nothing by itself, also while no line is edited, and pass on all keys.
    fn quiet() -> io::Result<Mode> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes -=
            LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        quiet.input_modes -= InputModes::ICRNL;
        tcsetattr(io::stdin(), OptionalActions::Drain, &quiet)?;
        Ok(Mode(before))
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // Fails only if the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}
