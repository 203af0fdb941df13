//! The page of `serve chat`, in Chromium: `tests/page/page.test.mjs`, run by Node.

use std::path::Path;
use std::process::Command;

use crate::served::BINARY;

/// Returns what is missing, and what to do about it.
fn missing(folder: &Path) -> Option<&'static str> {
    let runs = |program| Command::new(program).arg("--version").output().is_ok();
    if !runs("chromium") {
        Some("chromium is not installed")
    } else if !runs("node") {
        Some("node is not installed")
    } else if !folder.join("node_modules").exists() {
        Some("its packages are not installed: run `npm ci` in crates/cli/tests/page")
    } else {
        None
    }
}

#[test]
fn two_browsers_talk_and_come_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    if let Some(missing) = missing(&folder) {
        println!("skip: the page in a browser: {missing}");
        return;
    }
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", "page.test.mjs"])
        .current_dir(folder)
        .env("SWITCHBOARD", BINARY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
