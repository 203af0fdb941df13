//! The default lines go to stderr; where that cannot be written, they are lost and nothing panics.

use std::fs::File;
use std::process::Command;

use switchboard_callbacks::{AsyncChat, Chat, ChatHandler, Dispatcher, Terminator};

struct Plain;

impl Dispatcher for Plain {}

impl ChatHandler for Plain {
    fn collect_incoming_data(&mut self, _: &[u8]) {}
    fn found_terminator(&mut self, _: &Chat) {}
}

/// The variable that is set in a process whose stderr is full.
const CHILD: &str = "SWITCHBOARD_FULL_STDERR";

#[test]
fn a_full_stderr_panics_no_callback() {
    if std::env::var_os(CHILD).is_some() {
        Plain.log("a line");
        let chat = AsyncChat::new(Plain, Terminator::None);
        let error = std::io::ErrorKind::ConnectionReset.into();
        ChatHandler::handle_error(&mut Plain, chat.chat(), error);
        return;
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "stderr::a_full_stderr_panics_no_callback",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stderr(full)
        .status()
        .unwrap();
    assert!(status.success());
}
