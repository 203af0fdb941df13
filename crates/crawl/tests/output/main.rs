//! The outputs of a crawl: what they hold, that they can be cut, and what they refuse.

mod archive;
mod database;
#[path = "../support/python.rs"]
mod python;
mod rows;

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use rows::{row, rows};
use serde_json::Value;
use switchboard_crawl::output::{About, Outputs, Recorded};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("crawl-output-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn files(&self, names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| self.0.join(name)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ALL: [&str; 4] = ["a.jsonl", "b.CSV", "c.warc", "d.warc.gz"];

fn about() -> About {
    About {
        software: "switchboard/0.1.0".into(),
        user_agent: "switchboard/0.1.0 (+https://a.example)\r\nX: y".into(),
        robots: true,
    }
}

/// The numbers of the rows in each file, after it was found to be valid.
fn numbers(folder: &Folder) -> Vec<Vec<u64>> {
    let read = |name: &str| fs::read(folder.0.join(name)).unwrap();
    vec![
        json(&read(ALL[0]))
            .iter()
            .map(|line| line["seq"].as_u64().unwrap())
            .collect(),
        csv(&read(ALL[1]))
            .iter()
            .map(|record| record[0].parse().unwrap())
            .collect(),
        archive::numbers(&read(ALL[2])),
        archive::numbers(&archive::gunzip(&read(ALL[3]))),
    ]
}

fn json(text: &[u8]) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with(b"\n"));
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn csv(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text);
    let records = reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect());
    records.collect()
}

#[test]
fn all_files_are_valid_after_each_cut() {
    let seed =
        std::env::var("SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = Folder::new("cuts");
    let files = folder.files(&ALL);
    let (mut recorded, mut committed): (Vec<Recorded>, u64) = (Vec::new(), 0);
    for round in 0..40 {
        let mut outputs = Outputs::open(&files, &recorded, committed, &about()).unwrap();
        let kept: Vec<u64> = (1..=committed).collect();
        let in_archive: Vec<u64> = kept
            .iter()
            .copied()
            .filter(|&seq| row(seq).answer.is_some())
            .collect();
        assert_eq!(
            numbers(&folder),
            [kept.clone(), kept, in_archive.clone(), in_archive],
            "round {round}"
        );
        if round == 0 {
            recorded = outputs.recorded();
        }
        for _ in 0..random.usize(..3) {
            let to = committed + random.u64(..15);
            outputs.append(&rows(committed + 1, to)).unwrap();
            outputs.sync().unwrap();
            (recorded, committed) = (outputs.recorded(), to);
        }
        // What no transaction has seen, of which the file may have any part.
        outputs
            .append(&rows(committed + 1, committed + random.u64(..15)))
            .unwrap();
        drop(outputs);
        for (path, recorded) in files.iter().zip(&recorded) {
            let length = fs::metadata(path).unwrap().len();
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(random.u64(recorded.length..=length)).unwrap();
        }
    }
    assert!(committed > 20);
}

#[test]
fn json_lines_have_their_fields_in_order() {
    let folder = Folder::new("json");
    let files = folder.files(&["a.jsonl"]);
    let mut outputs = Outputs::open(&files, &[], 0, &about()).unwrap();
    outputs.append(&rows(1, rows::KINDS)).unwrap();
    let text = fs::read_to_string(&files[0]).unwrap();
    let lines = json(text.as_bytes());
    assert_eq!(
        text.lines().next().unwrap(),
        "{\"seq\":1,\"address\":\"http://a.example/1?x=%C3%A4,b\",\"fate\":\"fetched\",\"status\":200,\
         \"type\":\"text/html; charset=utf-8\",\"location\":null,\"length\":5,\"received\":5,\"truncated\":null,\
         \"title\":\"\",\"links\":1,\"depth\":0,\"parent\":null,\"started\":\"2026-11-28T10:48:09.123457Z\",\
         \"took\":0.001234,\"peer\":\"[2001:db8::1]:2\",\"cause\":null,\
         \"fields\":[[\"Content-Type\",\"text/html; charset=utf-8\"],[\"Content-Length\",\"5\"]]}"
    );
    assert_eq!(lines[2]["length"], 2_000);
    assert!(lines[2]["received"].as_u64().unwrap() < 2_000);
    assert_eq!(lines[3]["received"], Value::Null);
    assert_eq!(lines[6]["fate"], "failed");
    assert_eq!(lines[6]["status"], Value::Null);
    assert_eq!(
        lines[6]["cause"],
        "connect: Connection refused, \"for now\""
    );
    assert_eq!(lines[7]["truncated"], "length");
    assert_eq!(
        lines[8]["fields"][0],
        serde_json::json!(["X-Latin", "café"])
    );
    assert_eq!(lines[9]["location"], "/elsewhere, \"quoted\"");
}

#[test]
fn csv_has_the_facts_of_the_json_lines() {
    let folder = Folder::new("csv");
    let files = folder.files(&["a.csv", "a.jsonl"]);
    let mut outputs = Outputs::open(&files, &[], 0, &about()).unwrap();
    outputs.append(&rows(1, 50)).unwrap();
    let text = fs::read(&files[0]).unwrap();
    let mut reader = csv::Reader::from_reader(&text[..]);
    let columns: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let (records, lines) = (csv(&text), json(&fs::read(&files[1]).unwrap()));
    assert_eq!((records.len(), lines.len()), (50, 50));
    for (record, line) in records.iter().zip(&lines) {
        assert_eq!(columns.len() + 1, line.as_object().unwrap().len());
        for (column, value) in columns.iter().zip(record) {
            let expected = match &line[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(*value, expected, "{column}");
        }
    }
    // Each record ends with CR and LF, and those within a value are quoted.
    assert!(text.ends_with(b"\r\n"));
}

#[test]
fn files_of_others_are_refused() {
    let folder = Folder::new("refused");
    let open = |name: &str, recorded: Option<u64>| {
        let files = folder.files(&[name]);
        let name = files[0].to_str().unwrap().to_owned();
        let recorded: Vec<Recorded> = recorded
            .map(|length| Recorded { name, length })
            .into_iter()
            .collect();
        let error = Outputs::open(&files, &recorded, 0, &about()).unwrap_err();
        let text = error.to_string();
        assert_eq!(text.lines().count(), 1);
        let text = text
            .strip_prefix(&format!("`{}/", folder.0.display()))
            .unwrap()
            .to_owned();
        (error.kind(), text)
    };
    fs::write(folder.0.join("full.csv"), "a,b\r\n").unwrap();
    assert_eq!(
        open("full.csv", None),
        (
            ErrorKind::AlreadyExists,
            "full.csv`: exists and is not this crawl's: give another name, or move it away".into(),
        )
    );
    assert_eq!(fs::read(folder.0.join("full.csv")).unwrap(), b"a,b\r\n");
    assert_eq!(
        open("full.csv", Some(10)),
        (
            ErrorKind::InvalidData,
            "full.csv`: it has 5 bytes, and this crawl has written 10".into(),
        )
    );
    assert_eq!(
        open("gone.csv", Some(10)),
        (
            ErrorKind::NotFound,
            "gone.csv`: this crawl has written it, and it is gone: bring it back, or begin anew"
                .into(),
        )
    );
    assert_eq!(open("a.txt", None), (
        ErrorKind::InvalidInput,
        "a.txt`: the name does not say what to write: end it with .jsonl, .csv, .warc or .warc.gz".into(),
    ));
    fs::create_dir(folder.0.join("folder.csv")).unwrap();
    assert_eq!(
        open("folder.csv", None),
        (
            ErrorKind::InvalidInput,
            "folder.csv`: is no plain file".into()
        )
    );
    assert_eq!(open("no/a.csv", None).0, ErrorKind::NotFound);
    let twice = folder.files(&["b.csv", "./b.csv"]);
    let error = Outputs::open(&twice, &[], 0, &about())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("b.csv`: is named twice"), "{error}");
}

#[test]
fn two_crawls_do_not_write_one_file() {
    let folder = Folder::new("locked");
    let files = folder.files(&["a.jsonl"]);
    let first = Outputs::open(&files, &[], 0, &about()).unwrap();
    let error = Outputs::open(&files, &[], 0, &about()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    drop(first);
    Outputs::open(&files, &[], 0, &about()).unwrap();
}

#[test]
fn an_empty_file_is_taken() {
    let folder = Folder::new("empty");
    let files = folder.files(&["a.csv"]);
    fs::write(&files[0], "").unwrap();
    let mut outputs = Outputs::open(&files, &[], 0, &about()).unwrap();
    outputs.append(&[]).unwrap();
    assert_eq!(outputs.recorded()[0].length, 0);
    outputs.append(&rows(1, 2)).unwrap();
    assert_eq!(csv(&fs::read(&files[0]).unwrap()).len(), 2);
}
