//! What may not or cannot be read, and what the hooks are told of it.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use switchboard_apps::files::{Files, FilesOptions};
use switchboard_reactor::Hooks;

use crate::{Folder, ask, each_model};

/// Hooks that keep notices.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Hooks for Heard {
    fn notice(&self, text: &dyn std::fmt::Display) {
        self.0.lock().unwrap().push(text.to_string());
    }
}

fn link(to: &str, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

#[test]
fn what_is_no_file_below_the_folder_is_refused_and_told() {
    let folder = Folder::new("refused");
    link("/etc/passwd", &folder.path(b"absolute"));
    link(
        folder.path(b"a.txt").to_str().unwrap(),
        &folder.path(b"inside"),
    );
    link("../..", &folder.path(b"sub/up"));
    link("a.txt", &folder.path(b"within"));
    link("circle", &folder.path(b"circle"));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path(b"pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path(b"socket")).unwrap();
    each_model(async || {
        let heard = Arc::new(Heard::default());
        let files = folder.files(FilesOptions::default()).hooks(heard.clone());
        for (path, why) in [
            ("/absolute", "is absolute, or leaves the folder"),
            ("/inside", "is absolute, or leaves the folder"),
            ("/sub/up/", "leaves the folder"),
            ("/sub/up/etc/passwd", "leaves the folder"),
            ("/circle", "circle"),
            ("/pipe", "pipe or a device"),
            ("/socket", "socket"),
        ] {
            let answer = ask(&files, "GET", path, &[]).await;
            assert_eq!(
                (answer.status, answer.text()),
                (403, "this may not be read\n"),
                "{path}"
            );
            let notices = std::mem::take(&mut *heard.0.lock().unwrap());
            assert_eq!(notices.len(), 1, "{path}: {notices:?}");
            assert!(
                notices[0].contains(path) && notices[0].contains(why),
                "{notices:?}"
            );
        }
        assert_eq!(
            ask(&files, "GET", "/within", &[]).await.text(),
            "0123456789"
        );
        // They are not listed either.
        let list = ask(&files, "GET", "/", &[("accept", "application/json")]).await;
        for name in ["absolute", "inside", "circle", "pipe", "socket", ".env"] {
            assert!(
                !list.text().contains(&format!("\"{name}\"")),
                "{name}: {}",
                list.text()
            );
        }
        assert!(list.text().contains("\"within\""), "{}", list.text());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_listed_is_told() {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    // The kernel opens this folder of a process that has ended, and does not list it.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(&child)), ended).unwrap();
    let path = format!("/proc/{}/net", child.id());
    each_model(async || {
        let heard = Arc::new(Heard::default());
        let files = Files::new(&path, FilesOptions::default()).unwrap();
        let answer = ask(&files.hooks(heard.clone()), "GET", "/", &[]).await;
        assert_eq!(
            (answer.status, answer.text()),
            (500, "this could not be read\n")
        );
        let notices = std::mem::take(&mut *heard.0.lock().unwrap());
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(
            notices[0].starts_with("/ was answered with 500: "),
            "{notices:?}"
        );
    });
    child.wait().unwrap();
}

#[test]
fn a_file_that_may_not_be_read_is_told_once() {
    // Root may read everything but this.
    let unreadable = Path::new("/proc/sys/vm/compact_memory");
    match File::open(unreadable) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
        _ => return println!("skip: a file without permission: never: the kernel has none"),
    }
    each_model(async || {
        let heard = Arc::new(Heard::default());
        let files = Files::new(unreadable.parent().unwrap(), FilesOptions::default()).unwrap();
        let files = files.hooks(heard.clone());
        assert_eq!(ask(&files, "GET", "/compact_memory", &[]).await.status, 403);
        let notices = std::mem::take(&mut *heard.0.lock().unwrap());
        assert_eq!(
            notices,
            ["/compact_memory was answered with 403: permission denied"]
        );
    });
}
