//! Files that are compressed beforehand or while they are sent.

use std::fs::File;
use std::time::SystemTime;

use switchboard_apps::files::FilesOptions;

use crate::{Folder, Row, TEXT, ask, check, each_model};

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
