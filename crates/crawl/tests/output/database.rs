//! SQLite: rows by their numbers, which a cut takes away and a repeated batch replaces.

use std::io::ErrorKind;

use switchboard_crawl::output::Outputs;

use super::{Folder, about};

#[cfg(not(feature = "sqlite"))]
#[test]
fn sqlite_is_refused_where_it_is_off() {
    let folder = Folder::new("no-sqlite");
    let error = Outputs::open(&folder.files(&["a.sqlite"]), &[], 0, &about()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error
            .to_string()
            .ends_with("build it with the feature `sqlite`"),
        "{error}"
    );
    assert!(!folder.0.join("a.sqlite").exists());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_database_has_the_committed_rows() {
    use super::rows::rows;

    let folder = Folder::new("sqlite");
    let files = folder.files(&["a.sqlite"]);
    let seqs = || -> Vec<i64> {
        let database = rusqlite::Connection::open(&files[0]).unwrap();
        let sound: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sound, "ok");
        let mut select = database
            .prepare("SELECT seq FROM pages ORDER BY seq")
            .unwrap();
        let found = select.query_map([], |row| row.get(0)).unwrap();
        found.map(Result::unwrap).collect()
    };
    let mut outputs = Outputs::open(&files, &[], 0, &about()).unwrap();
    outputs.append(&rows(1, 20)).unwrap();
    outputs.append(&rows(15, 20)).unwrap();
    let recorded = outputs.recorded();
    outputs.append(&rows(21, 30)).unwrap();
    drop(outputs);
    assert_eq!(seqs(), (1..=30).collect::<Vec<i64>>());
    drop(Outputs::open(&files, &recorded, 20, &about()).unwrap());
    assert_eq!(seqs(), (1..=20).collect::<Vec<i64>>());
    // What was appended before the first commit is not another crawl's where a length of zero is recorded.
    let recorded = [switchboard_crawl::output::Recorded {
        length: 0,
        ..recorded[0].clone()
    }];
    drop(Outputs::open(&files, &recorded, 0, &about()).unwrap());
    assert_eq!(seqs(), [0i64; 0]);
    let error = Outputs::open(&files, &[], 0, &about()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}
