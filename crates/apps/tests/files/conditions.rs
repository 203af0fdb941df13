//! Tags, dates and ranges.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use switchboard_apps::files::FilesOptions;
use switchboard_http::Body;

use crate::{Folder, LONG, Row, TEXT, ask, check, each_model, long, read};

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
