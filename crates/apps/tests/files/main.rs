//! The answers of a file server, under every model.

mod compression;
mod conditions;
mod fields;
mod listings;
mod paths;
mod refusals;
#[path = "../../../runtime/tests/support/ways.rs"]
mod ways;

use std::fs;
use std::path::PathBuf;

use http::{HeaderMap, Response};
use switchboard_apps::files::{Files, FilesOptions};
use switchboard_http::{Body, Request};

use ways::{models_and_drivers, run};

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
