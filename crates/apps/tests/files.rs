//! The answers of a file server, under every model.

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response};
use switchboard_apps::access::{Access, Format};
use switchboard_apps::files::{Files, FilesOptions};
use switchboard_http::{Body, Request};
use switchboard_reactor::Hooks;

use support::{models_and_drivers, run};

const LONG: usize = 200_000;

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        let folder = Folder(path);
        let _ = fs::remove_dir_all(&folder.0);
        for (name, bytes) in [
            ("a.txt", &b"0123456789"[..]),
            ("empty.txt", b""),
            ("page.html", b"<p>page</p>"),
            ("noext", b"?"),
            ("with space & é.txt", b"space"),
            ("sub/index.html", b"<p>sub</p>"),
            ("plain/one.txt", b"1"),
            ("plain/two.txt", b"22"),
            ("plain/.three", b"333"),
            (".env", b"secret"),
            (".well-known/security.txt", b"contact"),
        ] {
            folder.write(name.as_bytes(), bytes);
        }
        folder.write(b"long.bin", &long());
        folder
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.0.join(std::ffi::OsStr::from_bytes(name))
    }

    fn write(&self, name: &[u8], bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn files(&self, options: FilesOptions) -> Files {
        Files::new(&self.0, options).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn long() -> Vec<u8> {
    (0..LONG).map(|at| (at % 251) as u8).collect()
}

/// An answer that was read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn ask(files: &Files, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request: Request = request.body(Body::empty()).unwrap();
    read(files.respond(request).await).await
}

async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.bytes(10_000_000).await.unwrap().to_vec(),
    }
}

fn each_model(test: impl AsyncFn()) {
    for (model, driver) in models_and_drivers() {
        println!("{model}/{driver}");
        run(model, driver, test());
    }
}

/// A request, the status of its answer, parts of fields, and the body.
type Row<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    u16,
    &'a [(&'a str, &'a str)],
    &'a str,
);

async fn check(files: &Files, rows: &[Row<'_>]) {
    for (method, path, fields, status, expected, body) in rows {
        let answer = ask(files, method, path, fields).await;
        let what = format!("{method} {path} {fields:?}: {answer:?}");
        assert_eq!(answer.status, *status, "{what}");
        for (name, value) in *expected {
            match value.is_empty() {
                true => assert!(!answer.headers.contains_key(*name), "{name}: {what}"),
                false => assert_eq!(answer.field(name), *value, "{what}"),
            }
        }
        assert_eq!(answer.text(), *body, "{what}");
    }
}

const NO_FILE: &str = "there is no such file\n";
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

#[test]
fn paths_methods_and_types() {
    let folder = Folder::new("paths");
    let files = folder.files(FilesOptions::default());
    let allow = ("allow", "GET, HEAD, OPTIONS");
    let rows: &[Row<'_>] = &[
        (
            "GET",
            "/a.txt",
            &[],
            200,
            &[TEXT, ("accept-ranges", "bytes"), ("vary", "")],
            "0123456789",
        ),
        ("GET", "/a.txt?v=3", &[], 200, &[TEXT], "0123456789"),
        (
            "HEAD",
            "/a.txt",
            &[],
            200,
            &[TEXT, ("content-length", "10")],
            "",
        ),
        (
            "HEAD",
            "/long.bin",
            &[],
            200,
            &[("content-length", "200000")],
            "",
        ),
        ("GET", "/empty.txt", &[], 200, &[TEXT], ""),
        (
            "GET",
            "/noext",
            &[],
            200,
            &[("content-type", "application/octet-stream")],
            "?",
        ),
        (
            "GET",
            "/with%20space%20&%20%C3%A9.txt",
            &[],
            200,
            &[TEXT],
            "space",
        ),
        ("GET", "/sub/../a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/%2e%2e/%2E./a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/sub/", &[], 200, &[HTML], "<p>sub</p>"),
        (
            "GET",
            "/sub",
            &[],
            301,
            &[("location", "./sub/")],
            "the folder is at the path with a slash\n",
        ),
        (
            "GET",
            "//sub?a=b",
            &[],
            301,
            &[("location", "./sub/?a=b")],
            "the folder is at the path with a slash\n",
        ),
        ("GET", "/a.txt/", &[], 404, &[TEXT], NO_FILE),
        ("GET", "/a.txt/b", &[], 404, &[], NO_FILE),
        ("GET", "/none", &[], 404, &[], NO_FILE),
        ("GET", "/sub%2findex.html", &[], 404, &[], NO_FILE),
        ("GET", "/a.txt%00", &[], 404, &[], NO_FILE),
        ("GET", "/.env", &[], 404, &[], NO_FILE),
        ("GET", "/%2eenv", &[], 404, &[], NO_FILE),
        ("GET", "/.well-known/security.txt", &[], 200, &[], "contact"),
        ("OPTIONS", "/a.txt", &[], 204, &[allow], ""),
        ("OPTIONS", "*", &[], 204, &[allow], ""),
        ("POST", "/a.txt", &[], 405, &[allow], "use GET or HEAD\n"),
        ("BREW", "/a.txt", &[], 405, &[allow], "use GET or HEAD\n"),
    ];
    each_model(async || {
        check(&files, rows).await;
        let too_long = format!("/{}", "x".repeat(5000));
        assert_eq!(ask(&files, "GET", &too_long, &[]).await.status, 404);
        let whole = ask(&files, "GET", "/long.bin", &[]).await;
        assert_eq!(whole.body, long());
    });
}

#[test]
fn conditions_and_ranges() {
    let folder = Folder::new("ranges");
    let files = folder.files(FilesOptions::default());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::options()
        .write(true)
        .open(folder.path(b"a.txt"))
        .unwrap();
    file.set_modified(old).unwrap();
    let date = "Sun, 09 Sep 2001 01:46:40 GMT";
    let earlier = "Sun, 09 Sep 2001 01:46:39 GMT";
    each_model(async || {
        let first = ask(&files, "GET", "/a.txt", &[]).await;
        let tag = first.field("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert_eq!(first.field("last-modified"), date);
        let weak = format!("W/{tag}");
        let same = &[
            ("etag", tag),
            ("last-modified", date),
            ("content-length", ""),
        ][..];
        let other = "the file is another one\n";
        let range = ("range", "bytes=2-4");
        let third = &[("content-range", "bytes 2-4/10"), ("etag", tag), TEXT][..];
        let whole = &[("content-range", ""), ("etag", tag)][..];
        let none = "the file has no such bytes\n";
        let beyond = &[("content-range", "bytes */10")][..];
        let rows: &[Row<'_>] = &[
            ("GET", "/a.txt", &[("if-none-match", tag)], 304, same, ""),
            ("HEAD", "/a.txt", &[("if-none-match", tag)], 304, same, ""),
            ("GET", "/a.txt", &[("if-none-match", &weak)], 304, same, ""),
            (
                "GET",
                "/a.txt",
                &[("if-none-match", "\"x\"")],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("if-modified-since", date)],
                304,
                same,
                "",
            ),
            (
                "GET",
                "/a.txt",
                &[("if-modified-since", earlier)],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("if-none-match", "\"x\""), ("if-modified-since", date)],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("if-match", tag)],
                200,
                whole,
                "0123456789",
            ),
            ("GET", "/a.txt", &[("if-match", "\"x\"")], 412, &[], other),
            (
                "GET",
                "/a.txt",
                &[("if-unmodified-since", earlier)],
                412,
                &[],
                other,
            ),
            (
                "GET",
                "/a.txt",
                &[("if-match", "\"x\""), range],
                412,
                &[],
                other,
            ),
            (
                "GET",
                "/a.txt",
                &[("if-none-match", tag), range],
                304,
                same,
                "",
            ),
            ("GET", "/a.txt", &[range], 206, third, "234"),
            (
                "GET",
                "/a.txt",
                &[("range", "bytes=7-")],
                206,
                &[("content-range", "bytes 7-9/10")],
                "789",
            ),
            (
                "GET",
                "/a.txt",
                &[("range", "bytes=-2")],
                206,
                &[("content-range", "bytes 8-9/10")],
                "89",
            ),
            (
                "GET",
                "/a.txt",
                &[range, ("if-range", tag)],
                206,
                third,
                "234",
            ),
            (
                "GET",
                "/a.txt",
                &[range, ("if-range", date)],
                206,
                third,
                "234",
            ),
            (
                "GET",
                "/a.txt",
                &[range, ("if-range", &weak)],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[range, ("if-range", earlier)],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("range", "bytes=10-")],
                416,
                beyond,
                none,
            ),
            (
                "GET",
                "/a.txt",
                &[("range", "bytes=5-2")],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("range", "lines=1-2")],
                200,
                whole,
                "0123456789",
            ),
            (
                "GET",
                "/a.txt",
                &[("range", "bytes=0-8,2-9")],
                200,
                whole,
                "0123456789",
            ),
            // A range is for GET alone.
            (
                "HEAD",
                "/a.txt",
                &[range],
                200,
                &[("content-length", "10"), ("content-range", "")],
                "",
            ),
            (
                "GET",
                "/empty.txt",
                &[("range", "bytes=0-")],
                416,
                &[("content-range", "bytes */0")],
                none,
            ),
        ];
        check(&files, rows).await;
        let long_part = ask(&files, "GET", "/long.bin", &[("range", "bytes=100-199000")]).await;
        assert_eq!(long_part.body, &long()[100..199_001]);
    });
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let folder = Folder::new("parts");
    let files = folder.files(FilesOptions::default());
    each_model(async || {
        let fields = [("range", "bytes=150000-150009, 5-6, -100000")];
        let request = http::Request::get("/long.bin").header(fields[0].0, fields[0].1);
        let response = files.respond(request.body(Body::empty()).unwrap()).await;
        let announced = response.body().length();
        // The last range has the first one in it.
        assert_eq!(response.status(), 200);
        assert_eq!(announced, Some(LONG as u64));
        let fields = [("range", "bytes=100000-199999, 5-6")];
        let request = http::Request::get("/long.bin").header(fields[0].0, fields[0].1);
        let response = files.respond(request.body(Body::empty()).unwrap()).await;
        let announced = response.body().length();
        let answer = read(response).await;
        assert_eq!(answer.status, 206);
        assert_eq!(announced, Some(answer.body.len() as u64));
        let boundary = answer.field("content-type");
        let boundary = boundary
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let part = |range: &str, bytes: &[u8]| {
            let head = format!(
                "\r\n--{boundary}\r\ncontent-type: application/octet-stream\r\n\
                 content-range: bytes {range}/200000\r\n\r\n"
            );
            [head.as_bytes(), bytes].concat()
        };
        let expected = [
            part("100000-199999", &long()[100_000..]),
            part("5-6", &[5, 6]),
            format!("\r\n--{boundary}--\r\n").into_bytes(),
        ];
        assert!(answer.body == expected.concat());
    });
}

#[test]
fn an_other_version_has_another_tag() {
    let folder = Folder::new("tags");
    let files = folder.files(FilesOptions::default());
    each_model(async || {
        let tag = async || {
            ask(&files, "HEAD", "/a.txt", &[])
                .await
                .field("etag")
                .to_owned()
        };
        let before = tag().await;
        assert_eq!(tag().await, before);
        // An older version of the same length takes the file's place, with its old time.
        let path = folder.path(b"a.txt");
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        folder.write(b"older", b"9876543210");
        let older = File::options()
            .write(true)
            .open(folder.path(b"older"))
            .unwrap();
        older.set_modified(time).unwrap();
        fs::rename(folder.path(b"older"), &path).unwrap();
        assert_ne!(tag().await, before);
    });
}

#[test]
fn a_time_in_the_future_is_not_told() {
    let folder = Folder::new("future");
    let files = folder.files(FilesOptions::default());
    let file = File::options()
        .write(true)
        .open(folder.path(b"a.txt"))
        .unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(1_000_000))
        .unwrap();
    each_model(async || {
        let answer = ask(&files, "GET", "/a.txt", &[]).await;
        let date = httpdate::parse_http_date(answer.field("last-modified")).unwrap();
        assert!(date <= SystemTime::now());
    });
}

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

#[test]
fn folders_are_listed_as_pages_and_as_json() {
    let folder = Folder::new("listed");
    folder.write(b"plain/<b>&\"'.txt", b"");
    folder.write(b"plain/bad\xff.txt", b"");
    let files = folder.files(FilesOptions::default());
    each_model(async || {
        let json = ask(
            &files,
            "GET",
            "/plain/?sort=size&order=desc",
            &[("accept", "application/json")],
        )
        .await;
        assert_eq!(
            (json.field("content-type"), json.field("vary")),
            ("application/json", "accept")
        );
        let list: serde_json::Value = serde_json::from_str(json.text()).unwrap();
        assert_eq!(list["path"], "/plain");
        let entries = list["entries"].as_array().unwrap();
        assert_eq!(entries[0]["name"], "two.txt");
        assert_eq!(
            (&entries[0]["size"], &entries[0]["type"]),
            (&2.into(), &"file".into())
        );
        assert_eq!(entries.len(), 4, "{list}");
        // Each link leads to its file, whatever bytes its name has.
        for entry in entries {
            let href = entry["href"].as_str().unwrap().strip_prefix('.').unwrap();
            let answer = ask(&files, "HEAD", &format!("/plain{href}"), &[]).await;
            assert_eq!(answer.status, 200, "{href}");
        }
        let page = ask(
            &files,
            "GET",
            "/plain/",
            &[("accept", "text/html,*/*;q=0.8")],
        )
        .await;
        assert_eq!(page.field(HTML.0), HTML.1);
        assert!(
            page.text().contains("&lt;b&gt;&amp;&quot;"),
            "{}",
            page.text()
        );
        assert!(!page.text().contains(".three"), "{}", page.text());
        let head = ask(&files, "HEAD", "/plain/", &[]).await;
        assert_eq!(head.field("content-length"), page.body.len().to_string());
        assert!(head.body.is_empty());
    });
    let hidden = FilesOptions {
        hidden: true,
        ..FilesOptions::default()
    };
    let hidden = folder.files(hidden);
    let unlisted = FilesOptions {
        listing: false,
        ..FilesOptions::default()
    };
    let unlisted = folder.files(unlisted);
    each_model(async || {
        assert!(
            ask(&hidden, "GET", "/plain/", &[])
                .await
                .text()
                .contains(".three")
        );
        assert_eq!(ask(&hidden, "GET", "/.env", &[]).await.text(), "secret");
        let answer = ask(&unlisted, "GET", "/plain/", &[]).await;
        assert_eq!(
            (answer.status, answer.text()),
            (403, "this folder is not listed\n")
        );
    });
}

#[test]
fn an_application_has_its_page_at_every_path() {
    let folder = Folder::new("spa");
    folder.write(b"index.html", b"<p>app</p>");
    let options = FilesOptions {
        spa: true,
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let page = ("accept", "text/html,*/*;q=0.8");
    let rows: &[Row<'_>] = &[
        (
            "GET",
            "/user/7",
            &[],
            200,
            &[HTML, ("vary", "accept")],
            "<p>app</p>",
        ),
        ("GET", "/user/7/", &[], 200, &[HTML], "<p>app</p>"),
        (
            "HEAD",
            "/user/7",
            &[],
            200,
            &[HTML, ("content-length", "10")],
            "",
        ),
        ("GET", "/jane.doe", &[page], 200, &[HTML], "<p>app</p>"),
        (
            "GET",
            "/missing.js",
            &[("accept", "*/*")],
            404,
            &[("vary", "accept")],
            NO_FILE,
        ),
        ("GET", "/a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/plain/", &[], 200, &[HTML], "<p>app</p>"),
        ("GET", "/sub/", &[], 200, &[HTML], "<p>sub</p>"),
    ];
    each_model(async || check(&files, rows).await);
}

#[test]
fn compressed_files_beside_others_are_sent_to_those_who_accept_them() {
    let folder = Folder::new("coded");
    for (name, bytes) in [
        ("a.txt.gz", "gz"),
        ("a.txt.br", "br"),
        ("a.txt.zst", "zst"),
        ("page.html.gz", "old"),
    ] {
        folder.write(name.as_bytes(), bytes.as_bytes());
    }
    let old = File::options()
        .write(true)
        .open(folder.path(b"page.html.gz"))
        .unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let options = FilesOptions {
        precompressed: true,
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let vary = ("vary", "accept-encoding");
    let accept = |value| [("accept-encoding", value)];
    let gzip = &[TEXT, vary, ("content-encoding", "gzip")][..];
    let plain = &[vary, ("content-encoding", "")][..];
    each_model(async || {
        let rows: &[Row<'_>] = &[
            ("GET", "/a.txt", &[], 200, plain, "0123456789"),
            ("GET", "/a.txt", &accept("gzip"), 200, gzip, "gz"),
            (
                "GET",
                "/a.txt",
                &accept("gzip, br, zstd"),
                200,
                &[vary, ("content-encoding", "br")],
                "br",
            ),
            (
                "GET",
                "/a.txt",
                &accept("gzip;q=0.8, zstd"),
                200,
                &[vary, ("content-encoding", "zstd")],
                "zst",
            ),
            (
                "GET",
                "/a.txt",
                &accept("gzip;q=0"),
                200,
                plain,
                "0123456789",
            ),
            (
                "HEAD",
                "/a.txt",
                &accept("gzip"),
                200,
                &[("content-length", "2")],
                "",
            ),
            // One that is older than its file is what the file was.
            (
                "GET",
                "/page.html",
                &accept("gzip"),
                200,
                plain,
                "<p>page</p>",
            ),
            ("GET", "/empty.txt", &accept("gzip"), 200, plain, ""),
        ];
        check(&files, rows).await;
        let tag = async |fields: &[(&str, &str)]| {
            ask(&files, "GET", "/a.txt", fields)
                .await
                .field("etag")
                .to_owned()
        };
        assert_ne!(tag(&[]).await, tag(&accept("gzip")).await);
    });
}

#[test]
fn text_is_compressed_while_it_is_sent() {
    use std::io::Read;

    let folder = Folder::new("compressed");
    let text: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    folder.write(b"long.txt", text.as_bytes());
    let options = FilesOptions {
        compress: true,
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let gzip = [("accept-encoding", "gzip, br")];
    each_model(async || {
        let answer = ask(&files, "GET", "/long.txt", &gzip).await;
        assert_eq!(
            (answer.field("content-encoding"), answer.field("vary")),
            ("gzip", "accept-encoding")
        );
        assert!(answer.field("etag").starts_with("W/\""), "{answer:?}");
        assert_eq!(answer.field("accept-ranges"), "");
        assert!(answer.body.len() < text.len() / 2);
        let mut back = String::new();
        flate2::read::GzDecoder::new(&answer.body[..])
            .read_to_string(&mut back)
            .unwrap();
        assert!(back == text);
        let again = [gzip[0], ("if-none-match", answer.field("etag"))];
        assert_eq!(ask(&files, "GET", "/long.txt", &again).await.status, 304);
        let head = ask(&files, "HEAD", "/long.txt", &gzip).await;
        assert_eq!(
            (head.field("content-encoding"), head.field("content-length")),
            ("gzip", "")
        );
        let part = [gzip[0], ("range", "bytes=0-9")];
        assert_eq!(ask(&files, "GET", "/long.txt", &part).await.status, 200);
        for path in ["/long.bin", "/a.txt"] {
            let answer = ask(&files, "GET", path, &gzip).await;
            assert_eq!(answer.field("content-encoding"), "", "{path}");
        }
        assert_eq!(ask(&files, "GET", "/long.txt", &[]).await.text(), text);
    });
}

#[test]
fn extra_fields_and_other_origins() {
    let folder = Folder::new("fields");
    let mut options = FilesOptions {
        cors: Some("*".parse().unwrap()),
        cache_control: Some("max-age=60".parse().unwrap()),
        ..FilesOptions::default()
    };
    for field in [
        "X-Frame-Options: DENY",
        "Link: <a>",
        "link: <b>",
        "Content-Type: text/x",
    ] {
        options.header(field).unwrap();
    }
    for wrong in [
        "none",
        "a b: c",
        "x: \u{1}",
        "Content-Length: 1",
        "transfer-encoding: chunked",
    ] {
        assert!(options.header(wrong).unwrap_err().contains(wrong));
    }
    let files = folder.files(options);
    let always = [
        ("x-frame-options", "DENY"),
        ("access-control-allow-origin", "*"),
    ];
    each_model(async || {
        let preflight = ("access-control-request-method", "GET");
        let rows: &[Row<'_>] = &[
            (
                "GET",
                "/a.txt",
                &[],
                200,
                &[always[0], always[1], ("cache-control", "max-age=60")],
                "0123456789",
            ),
            (
                "GET",
                "/none",
                &[],
                404,
                &[always[0], always[1], ("cache-control", "")],
                NO_FILE,
            ),
            (
                "OPTIONS",
                "/a.txt",
                &[preflight],
                204,
                &[("access-control-allow-methods", "GET, HEAD, OPTIONS")],
                "",
            ),
            (
                "OPTIONS",
                "/a.txt",
                &[],
                204,
                &[("access-control-allow-methods", "")],
                "",
            ),
        ];
        check(&files, rows).await;
        let answer = ask(&files, "GET", "/a.txt", &[]).await;
        assert_eq!(answer.field("content-type"), "text/x");
        let links: Vec<_> = answer.headers.get_all("link").iter().collect();
        assert_eq!(links, ["<a>", "<b>"]);
    });
}

#[test]
fn files_for_users_alone() {
    let folder = Folder::new("users");
    // The password is `secret`.
    let users = "# staff\nanna:$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG\n";
    let options = FilesOptions {
        users: Some(Arc::new(users.parse().unwrap())),
        cors: Some("*".parse().unwrap()),
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let asked = &[(
        "www-authenticate",
        "Basic realm=\"files\", charset=\"UTF-8\"",
    )][..];
    let refused = "a name and a password are needed\n";
    // anna:secret, anna:wrong, bert:secret, and the first without a colon.
    let [right, wrong, other, none] = [
        "Basic YW5uYTpzZWNyZXQ=",
        "Basic YW5uYTp3cm9uZw==",
        "Basic YmVydDpzZWNyZXQ=",
        "Basic YW5uYQ==",
    ];
    let with = |field| [("authorization", field)];
    each_model(async || {
        let rows: &[Row<'_>] = &[
            ("GET", "/a.txt", &[], 401, asked, refused),
            ("GET", "/none", &[], 401, asked, refused),
            ("GET", "/a.txt", &with(wrong), 401, asked, refused),
            ("GET", "/a.txt", &with(other), 401, asked, refused),
            ("GET", "/a.txt", &with(none), 401, asked, refused),
            ("GET", "/a.txt", &with("Bearer x"), 401, asked, refused),
            ("GET", "/a.txt", &with(right), 200, &[], "0123456789"),
            ("GET", "/a.txt", &with(right), 200, &[], "0123456789"),
            ("GET", "/a.txt", &with(wrong), 401, asked, refused),
            // A browser asks whether it may ask, without the password.
            (
                "OPTIONS",
                "/a.txt",
                &[("access-control-request-method", "GET")],
                204,
                &[],
                "",
            ),
        ];
        check(&files, rows).await;
        let (written, lines) = std::sync::mpsc::channel();
        let access = Access::new().log(Format::Combined, move |line| {
            drop(written.send(line.to_owned()));
        });
        // The first one may be checked, and the second one is remembered.
        for (field, begin) in [
            (right, "- - anna ["),
            (right, "- - anna ["),
            (wrong, "- - - ["),
        ] {
            let request = http::Request::get("/a.txt").header("authorization", field);
            let request: Request = request.body(Body::empty()).unwrap();
            let answer = |request| files.respond(request);
            drop(access.watch(None, request, answer).await);
            let line = lines.recv().unwrap();
            assert!(line.starts_with(begin), "{line}");
        }
    });
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = Folder::new("none");
    let file = Files::new(folder.path(b"a.txt"), FilesOptions::default()).unwrap_err();
    assert_eq!(file.kind(), std::io::ErrorKind::NotADirectory);
    let none = Files::new(folder.path(b"nowhere"), FilesOptions::default()).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::NotFound);
}
