//! What `switchboard fetch` writes: lines, JSON, files, and its progress.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::odd::{Peer, models, page};
use crate::served::{BINARY, run};

/// A folder for one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("switchboard-fetch-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Runs the command in this folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.current_dir(&self.0).arg("fetch").args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Returns the names of the files, sorted.
    fn names(&self) -> Vec<String> {
        let name = |it: std::io::Result<fs::DirEntry>| it.unwrap().file_name().into_string();
        let all = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = all.map(|it| name(it).unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn peer() -> Peer {
    let html = "Content-Type: text/html\r\n";
    Peer::start(vec![
        ("/", page(html, b"<meta charset=latin1><t>na\xEFve</t>")),
        ("/a.txt", page("Content-Type: text/plain\r\n", "a")),
        ("/b/a.txt?q", page("", [0, 255, 10])),
        (
            "/moved",
            b"HTTP/1.1 301 Moved Permanently\r\nLocation: /a.txt\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        ),
    ])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_line_of_json_has_the_documented_fields_under_every_model() {
    let peer = peer();
    let url = |path: &str| format!("http://{}{path}", peer.host);
    let (good, moved, missing) = (url("/"), url("/moved#x"), url("/missing"));
    for model in models() {
        let options = [
            "--json",
            "--extract",
            "<t>(.*)</t>",
            "--model",
            model.name(),
        ];
        let output = run(&[&["fetch", &good, &moved, &missing], &options[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{model}");
        let lines = text(&output.stdout);
        let mut rows: Vec<Value> = lines
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
        rows.sort_by_key(|row| row["name"].as_str().unwrap().to_owned());
        for line in lines.lines() {
            let fields: Vec<_> = line
                .split("\":")
                .map(|it| it.rsplit('"').next().unwrap())
                .collect();
            let expected = [
                "name",
                "url",
                "final_url",
                "status",
                "type",
                "encoding",
                "bytes",
                "seconds",
                "match",
                "file",
                "phase",
                "error",
            ];
            assert_eq!(fields[..expected.len()], expected, "{model}: {line}");
        }
        let expected = serde_json::json!([
            {"name": good, "url": good, "final_url": good, "status": 200, "type": "text/html",
             "encoding": "windows-1252", "bytes": 33, "match": "naïve", "file": null, "phase": null, "error": null},
            {"name": missing, "url": missing, "final_url": missing, "status": 404, "type": null, "encoding": "UTF-8",
             "bytes": 0, "match": null, "file": null, "phase": "status", "error": "404 Not Found"},
            {"name": moved, "url": moved, "final_url": url("/a.txt"), "status": 200, "type": "text/plain",
             "encoding": "UTF-8", "bytes": 1, "match": null, "file": null, "phase": null, "error": null},
        ]);
        for row in &mut rows {
            let seconds = row.as_object_mut().unwrap().remove("seconds").unwrap();
            assert!(seconds.is_f64(), "{model}: {seconds}");
        }
        assert_eq!(Value::Array(rows), expected, "{model}");
        let err = text(&output.stderr);
        assert_eq!(err.lines().count(), 1, "{model}: {err}");
    }
}

#[test]
fn json_of_what_could_not_be_reached_is_whole() {
    let output = run(&["fetch", "--json", "http://127.0.0.1:1/"]);
    let row: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(row["phase"], "connect");
    assert!(
        row["error"]
            .as_str()
            .unwrap()
            .starts_with("cannot connect to 127.0.0.1:1"),
        "{row}"
    );
    assert_eq!(row["status"], Value::Null);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_page_is_written_as_it_is_under_every_model() {
    let peer = peer();
    let url = format!("http://{}/b/a.txt?q", peer.host);
    for model in models() {
        let folder = Folder::new("one");
        let output = folder.run(&["-o", "page", "--model", model.name(), &url]);
        assert_eq!(output.status.code(), Some(0), "{model}");
        assert_eq!(
            fs::read(folder.0.join("page")).unwrap(),
            [0, 255, 10],
            "{model}"
        );
        let line = text(&output.stdout);
        assert!(
            line.starts_with(&format!("{url}, 200, 3 bytes, ")) && line.ends_with(" s, page\n"),
            "{line}"
        );
        let output = folder.run(&["-o", "-", "--model", model.name(), &url]);
        assert_eq!(
            (output.status.code(), &output.stdout[..]),
            (Some(0), &[0, 255, 10][..]),
            "{model}"
        );
    }
}

#[test]
fn pages_are_written_under_the_last_parts_of_their_urls() {
    let (peer, folder) = (peer(), Folder::new("all"));
    let urls = [
        "/",
        "/a.txt",
        "/b/a.txt?q",
        "/moved",
        "/missing",
        "/a.txt#again",
    ];
    let urls = urls.map(|path| format!("http://{}{path}", peer.host));
    fs::write(folder.0.join("missing"), "from earlier").unwrap();
    let mut arguments: Vec<&str> = urls.iter().map(String::as_str).collect();
    arguments.push("-O");
    let output = folder.run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        folder.names(),
        ["a.txt", "a.txt.1", "index.html", "missing", "moved"]
    );
    for (name, expected) in [
        ("a.txt", &b"a"[..]),
        ("a.txt.1", &[0, 255, 10]),
        ("moved", b"a"),
        ("missing", b"from earlier"),
    ] {
        assert_eq!(fs::read(folder.0.join(name)).unwrap(), expected, "{name}");
    }
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().count(), 5, "{lines}");
}

#[test]
fn a_page_that_cannot_be_written_is_named() {
    let peer = peer();
    let url = format!("http://{}/a.txt", peer.host);
    for model in models() {
        let output = run(&["fetch", "-o", "/dev/full", "--model", model.name(), &url]);
        let err = text(&output.stderr);
        let expected = "write: cannot write /dev/full: No space left on device";
        assert!(err.contains(expected), "{model}: {err}");
        assert!(
            output.status.code() == Some(1) && output.stdout.is_empty(),
            "{model}"
        );
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(BINARY);
        command
            .args(["fetch", "-o", "-", "--model", model.name(), &url])
            .stdout(full);
        let output = command.output().unwrap();
        let err = text(&output.stderr);
        assert!(
            err.contains("cannot write to stdout: No space left on device"),
            "{model}: {err}"
        );
        assert_eq!(
            (output.status.code(), err.lines().count()),
            (Some(1), 1),
            "{model}"
        );
    }
}

#[test]
fn a_page_that_there_is_no_room_for_leaves_the_earlier_one_alone() {
    let folder = Folder::new("room");
    let peer = Peer::start(vec![("/big", page("", vec![b'x'; 300_000]))]);
    let url = format!("http://{}/big", peer.host);
    fs::write(folder.0.join("big"), "earlier").unwrap();
    let output = Command::new("sh")
        // Files of 100 blocks of 512 bytes at most; a write beyond is an error, and no signal.
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .args([BINARY, "fetch", "-O", &url])
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("write: cannot write big: File too large"),
        "{errors}"
    );
    assert_eq!(fs::read_to_string(folder.0.join("big")).unwrap(), "earlier");
    assert_eq!(folder.names(), ["big"]);
}

#[test]
fn links_permissions_and_pipes_stay_what_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("stay");
    let peer = peer();
    let url = format!("http://{}/a.txt", peer.host);
    let path = |name: &str| folder.0.join(name);
    fs::write(path("file"), "earlier and longer").unwrap();
    fs::set_permissions(path("file"), fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    assert!(folder.run(&["-o", "link", &url]).status.success());
    assert_eq!(fs::read_to_string(path("file")).unwrap(), "a");
    assert!(path("link").is_symlink());
    let mode = fs::metadata(path("file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // The reader of a pipe gets the page.
    let made = Command::new("mkfifo").arg(path("pipe")).status().unwrap();
    assert!(made.success());
    let pipe = path("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    assert!(folder.run(&["-o", "pipe", &url]).status.success());
    assert_eq!(reader.join().unwrap(), "a");
    assert_eq!(folder.names(), ["file", "link", "pipe"]);
}

#[test]
fn wrong_targets_fetch_nothing() {
    let peer = peer();
    let (a, b) = (
        format!("http://{}/a.txt", peer.host),
        format!("http://{}/", peer.host),
    );
    for (arguments, message) in [
        (
            &["-o", "page", &a, &b][..],
            "--output page names a file for one page, and there are 2: use -O",
        ),
        (
            &["-o", "/nowhere/page", &a],
            "--output /nowhere/page: /nowhere is no folder",
        ),
        (&["-o", "page", "-O", &a], "cannot be used with"),
    ] {
        let output = run(&[&["fetch"], arguments].concat());
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(message), "{err}");
    }
    assert!(peer.requests.lock().unwrap().is_empty());
    assert!(!Path::new("page").exists());
}

#[test]
fn a_url_is_fetched_once_however_often_it_is_named() {
    for model in models() {
        let peer = peer();
        let url = format!("http://{}/a.txt", peer.host);
        let folder = Folder::new("once");
        let list = format!("one {url}\ntwo {url}#part\n{url}\n");
        fs::write(folder.0.join("list"), list).unwrap();
        let output = folder.run(&[
            "--from",
            "list",
            "--extract",
            "a",
            "--model",
            model.name(),
            &url,
        ]);
        let lines = text(&output.stdout);
        assert_eq!(
            lines,
            format!("{url}, a\none, a\ntwo, a\n{url}, a\n"),
            "{model}"
        );
        let err = text(&output.stderr);
        assert!(err.contains("4 pages: 4 ok"), "{model}: {err}");
        assert_eq!(peer.requests.lock().unwrap().len(), 1, "{model}");
    }
}

#[test]
fn lists_of_other_systems_are_read() {
    let (peer, folder) = (peer(), Folder::new("lists"));
    let list = format!(
        "# pages\r\n\r\nä http://{0}/a.txt # the first\r\nhttp://{0}/\r\n",
        peer.host
    );
    let utf_16: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [
        list.clone().into_bytes(),
        [b"\xEF\xBB\xBF", list.as_bytes()].concat(),
        [b"\xFF\xFE", &utf_16[..]].concat(),
        list.replace("\r\n", "\n").into_bytes(),
    ] {
        fs::write(folder.0.join("list"), bytes).unwrap();
        let output = folder.run(&["--from", "list", "--concurrency", "1"]);
        let lines = text(&output.stdout);
        assert!(lines.starts_with("ä, 200, 1 byte, "), "{lines}");
        assert_eq!(
            (output.status.code(), lines.lines().count()),
            (Some(0), 2),
            "{lines}"
        );
    }
    fs::write(folder.0.join("list"), "# one\r\n\r\nexample.org/a\r\n").unwrap();
    let err = text(&folder.run(&["--from", "list"]).stderr);
    assert_eq!(
        err,
        "switchboard: list:3: `example.org/a` is no URL: did you mean http://example.org/a?\n"
    );
}

#[test]
fn passwords_are_never_shown() {
    let peer = peer();
    let with = |path: &str| format!("http://me:s3cret@{}{path}", peer.host);
    for model in models() {
        for options in [&[][..], &["--json"], &["--extract", "zzz"]] {
            let pages = [
                with("/"),
                with("/missing"),
                with("/moved"),
                "http://me:s3cret@127.0.0.1:1/".to_owned(),
            ];
            let mut arguments = vec!["fetch", "--model", model.name()];
            arguments.extend(options);
            arguments.extend(pages.iter().map(String::as_str));
            let output = run(&arguments);
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(!all.contains("s3cret"), "{model} {options:?}: {all}");
            assert!(
                all.contains(&format!("http://{}/missing", peer.host)),
                "{all}"
            );
        }
    }
    for wrong in [
        "http://me:s3cret@host:99999/",
        "me:s3cret@host/",
        "ftp://me:s3cret@host/",
        "http://me:s3cret@",
    ] {
        let output = run(&["fetch", wrong]);
        let err = text(&output.stderr);
        assert!(
            output.status.code() == Some(2) && !err.contains("s3cret"),
            "{err}"
        );
    }
}

#[test]
fn progress_is_shown_in_a_terminal_and_nowhere_else() {
    let peer = peer();
    let urls = ["/", "/a.txt", "/b/a.txt?q"].map(|path| format!("http://{}{path}", peer.host));
    for model in models() {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let path = ptsname(&keys, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let screen = open(path, flags, Mode::empty()).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["fetch", "--model", model.name()]).args(&urls);
        command
            .env("TERM", "xterm")
            .stderr(screen)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let output = child.wait_with_output().unwrap();
        let lines = text(&output.stdout);
        assert_eq!(lines.lines().count(), 3, "{model}: {lines}");
        assert!(!lines.contains('\u{1b}'), "{model}: {lines}");
        let mut shown = Vec::new();
        // A terminal that nobody writes to any more ends with an error.
        let _ = File::from(keys).read_to_end(&mut shown);
        let shown = String::from_utf8_lossy(&shown).into_owned();
        assert!(
            shown.contains("of 3 pages, ") && shown.contains("3 pages: 3 ok"),
            "{model}: {shown:?}"
        );
        let output = run(&[
            &["fetch", "--model", model.name()],
            &urls.each_ref().map(String::as_str)[..],
        ]
        .concat());
        assert_eq!(text(&output.stderr).lines().count(), 1, "{model}");
    }
}
