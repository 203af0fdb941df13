//! The body type: its sources, its bounds, and files that become shorter.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use hyper::body::Bytes;
use switchboard_http::Body;
use switchboard_runtime::Model;

fn read(body: Body, limit: usize) -> std::io::Result<Bytes> {
    Model::Tasks.run(body.bytes(limit)).unwrap()
}

fn temporary(name: &str, bytes: &[u8]) -> (PathBuf, File) {
    let path = std::env::temp_dir().join(format!("body-{name}-{}", std::process::id()));
    File::create(&path).unwrap().write_all(bytes).unwrap();
    let file = File::open(&path).unwrap();
    (path, file)
}

#[test]
fn a_part_of_a_file_is_read_in_pieces_and_whole() {
    let content: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let (path, file) = temporary("part", &content);
    std::fs::remove_file(path).unwrap();
    let body = Body::file(file, 7..199_999);
    assert_eq!(body.length(), Some(199_992));
    assert_eq!(&read(body, 200_000).unwrap()[..], &content[7..199_999]);
}

#[test]
fn a_file_that_has_become_shorter_ends_with_an_error() {
    let (path, file) = temporary("shorter", b"0123456789");
    let body = Body::file(file, 0..10);
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(4)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    let error = read(body, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn the_limit_of_bytes_holds_for_every_source() {
    let (path, file) = temporary("limit", b"0123456789");
    std::fs::remove_file(path).unwrap();
    let sources = || {
        let file = file.try_clone().unwrap();
        let streamed = http_body_util::StreamBody::new(futures_lite::stream::iter(
            ["01234", "56789"]
                .map(|text| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(text)))),
        ));
        [
            Body::from("0123456789"),
            Body::file(file, 0..10),
            Body::new(streamed),
        ]
    };
    for body in sources() {
        assert_eq!(&read(body, 10).unwrap()[..], b"0123456789");
    }
    for body in sources() {
        assert_eq!(read(body, 9).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}

#[test]
fn the_end_of_a_body_is_told_once_it_is_dropped() {
    let (told, ends) = std::sync::mpsc::channel();
    let watched = |body: Body| {
        let told = told.clone();
        body.on_end(move |bytes, whole| told.send((bytes, whole)).unwrap())
    };
    let (path, file) = temporary("end", &[7; 100_000]);
    let body = || Body::file(file.try_clone().unwrap(), 0..100_000);
    drop(watched(body()));
    assert_eq!(ends.recv(), Ok((0, false)));
    drop(watched(Body::empty()));
    assert_eq!(ends.recv(), Ok((0, true)));
    read(watched(body()), 100_000).unwrap();
    assert_eq!(ends.recv(), Ok((100_000, true)));
    let mut part = watched(watched(body()));
    Model::Tasks.run(part.chunk()).unwrap().unwrap().unwrap();
    drop(part);
    // Both who asked are told.
    assert_eq!(ends.recv(), Ok((65_536, false)));
    assert_eq!(ends.recv(), Ok((65_536, false)));
    let shorter = watched(body());
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(4)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    read(shorter, 100_000).unwrap_err();
    assert_eq!(ends.recv(), Ok((4, false)));
}
