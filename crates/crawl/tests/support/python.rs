//! Programs in Python that judge what the crate does.

use std::path::PathBuf;
use std::process::Command;

/// Returns a Python that has a module, from the virtual environment that `.ci/run` makes; else says that the
/// test is skipped.
pub(crate) fn python(test: &str, module: &str) -> Option<PathBuf> {
    let python = root().join("target/python/bin/python3");
    let import = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output();
    if import.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    println!("skip: {test}: `{module}` is not in target/python, where .ci/run installs it");
    None
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Runs a script of this folder's and returns what it prints, or panics with what it says.
pub(crate) fn run(python: &PathBuf, script: &str, arguments: &[&str]) -> String {
    let script = format!(
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/{}"),
        script
    );
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}
