//! `switchboard chat` in a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::chat_client::{command, serve};
use crate::served::Served;

/// Far longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

/// A client in a terminal of 80 columns and 24 rows.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    keys: File,
    /// The side of the client, whose mode can be asked.
    screen: OwnedFd,
    shown: mpsc::Receiver<Vec<u8>>,
    /// All that was written to the terminal since `until` found something.
    text: String,
}

impl Terminal {
    fn start(server: &Served, name: &str, arguments: &[&str]) -> Terminal {
        Terminal::start_at(&server.addr, name, arguments)
    }

    pub(crate) fn start_at(addr: &str, name: &str, arguments: &[&str]) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keys = openpt(flags).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let screen = open(path, flags, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keys, size).unwrap();
        let side = || Stdio::from(screen.try_clone().unwrap());
        let url = format!("http://{addr}/");
        let child = command(&url, name, arguments)
            .env("TERM", "xterm-256color")
            .env("NO_COLOR", "1")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let keys = File::from(keys);
        let (sender, shown) = mpsc::channel();
        let mut reader = keys.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            child,
            keys,
            screen,
            shown,
            text: String::new(),
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until `part` is shown. Returns what was shown before it since the last call.
    pub(crate) fn until(&mut self, part: &str) -> String {
        loop {
            if let Some(at) = self.text.find(part) {
                let rest = self.text.split_off(at + part.len());
                let mut before = std::mem::replace(&mut self.text, rest);
                before.truncate(at);
                return before;
            }
            match self.shown.recv_timeout(LONG) {
                Ok(bytes) => self.text += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{part:?} was not shown behind {:?}", self.text),
            }
        }
    }

    fn is_usual(&self) -> bool {
        let mode = tcgetattr(&self.screen).unwrap();
        mode.local_modes
            .contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_line_that_is_being_typed_survives_a_message() {
    let server = serve(&[]);
    let mut ben = Terminal::start(&server, "ben", &[]);
    ben.until("you are alone here");
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("2 here: ann, ben");
    ben.until("ann has come");
    ann.press("hello the");
    ann.until("hello the");
    assert!(!ann.is_usual());
    ben.press("interrupting\r");
    // The message comes in the place of the line, which is painted again below it.
    ann.until("#tea ben: interrupting\r\n");
    ann.until("#tea> hello the");
    ann.press("re, ben\r");
    ben.until("#tea ann: hello there, ben\r\n");
    // What the user has typed is there already.
    ben.press("and again\r");
    let between = ann.until("#tea ben: and again\r\n");
    assert!(!between.contains("ann: hello there"), "{between:?}");
    ann.press("/quit\r");
    assert_eq!(ann.child.wait().unwrap().code(), Some(0));
    assert!(ann.is_usual());
    ben.until("ann has left");
    ben.press("\x04");
    assert_eq!(ben.child.wait().unwrap().code(), Some(0));
    assert!(ben.is_usual());
    server.stop();
}

#[test]
fn commands_are_completed_and_carried_out() {
    let server = serve(&[]);
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    for (keys, shown) in [
        ("/he\t\r", "* /quit"),
        ("/jo\tgarden\r", "* #garden: you are alone here"),
        ("/ro\tt\t\r", "#tea> "),
        ("/topic green\r", "#tea ann has set the topic: green"),
        ("/topic\r", "* #tea: topic: green"),
        ("/who\r", "* #tea: 1 here: ann"),
        ("/room\r", "* there are no other rooms"),
        ("/msg ann to myself\r", "/msg ann to myself"),
        (
            "/msg nobody hello\r",
            "* not said: “hello”: nobody here is called `nobody`",
        ),
        ("/part\r", "* #tea: you have left"),
        ("/jump\r", "* /jump is no command"),
        ("\x03", "* Ctrl-D or /quit leaves"),
    ] {
        ann.press(keys);
        ann.until(shown);
    }
    server.stop();
}

#[test]
fn the_terminal_is_as_before_whatever_ends_the_client() {
    let mut server = serve(&[]);
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    ann.press("a line that is ");
    ann.until("a line that is ");
    assert!(!ann.is_usual());
    let process = rustix::process::Pid::from_child(&ann.child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(ann.child.wait().unwrap().code(), Some(0));
    assert!(ann.is_usual());

    // While the connection is away, what is typed waits; who leaves then is told what was not said.
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    server.child.kill().unwrap();
    ann.until("* connection lost: ");
    ann.press("for later\r");
    ann.until("for later");
    ann.press("/quit\r");
    ann.until("switchboard: 1 message not said");
    assert_eq!(ann.child.wait().unwrap().code(), Some(1));
    assert!(ann.is_usual());
}

#[test]
fn what_a_server_says_last_is_shown() {
    let server = serve(&[]);
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    ann.press("a line that is ");
    ann.until("a line that is ");
    // A message that is too long for any server of this command.
    let lines = "x".repeat(200_000);
    ann.press(&format!("\x1b[200~{lines}\x1b[201~\r"));
    ann.until("switchboard: the server has ended the connection: ");
    assert_eq!(ann.child.wait().unwrap().code(), Some(1));
    assert!(ann.is_usual());
    server.stop();
}

#[test]
fn candidates_hold_nothing_back() {
    let server = serve(&[]);
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    // All commands begin so.
    ann.press("/\t");
    ann.until("/quit");
    let mut ben = Terminal::start(&server, "ben", &[]);
    ann.until("ben has come");
    ben.press("are you there?\r");
    ann.until("#tea ben: are you there?\r\n");
    server.stop();
}

#[test]
fn what_is_not_utf8_is_discarded() {
    let server = serve(&[]);
    let mut ann = Terminal::start(&server, "ann", &[]);
    ann.until("you are alone here");
    ann.press("gr");
    ann.keys.write_all(b"\xfc\xdf").unwrap();
    ann.until("* what was typed is not UTF-8, and was discarded");
    ann.press("\x15hello\r");
    ann.until("hello");
    ann.press("/who\r");
    ann.until("* #tea: 1 here: ann");
    ann.press("/quit\r");
    assert_eq!(ann.child.wait().unwrap().code(), Some(1));
    assert!(ann.is_usual());
    server.stop();
}
