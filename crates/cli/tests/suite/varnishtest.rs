//! The scripts of `tests/vtc`, run by varnishtest, a client and server that send what a well-behaved library
//! would not, under every model, driver and kind of workers.

use std::path::Path;
use std::process::{Command, Stdio};

use switchboard_runtime::Style;

use crate::matrix::rows;

/// Runs a script against the command, with one worker, under every model and driver at once.
fn run(script: &str) {
    if Command::new("varnishtest").arg("-h").output().is_err() {
        println!("skip: {script}: varnishtest is not installed");
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vtc");
    let rows = rows(Style::Async).into_iter();
    let runs: Vec<_> = rows
        .filter(|row| row.ends_with(&["--workers", "1"]))
        .map(|row| {
            let child = Command::new("varnishtest")
                .arg(concat!("-Dswitchboard=", env!("CARGO_BIN_EXE_switchboard")))
                .arg(format!("-Doptions={}", row.join(" ")))
                .arg(path.join(script))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            (row, child)
        })
        .collect();
    for (row, child) in runs {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script} with {row:?}:\n{text}");
    }
}

/// A test for each script.
macro_rules! scripts {
    ($($test:ident: $script:literal,)*) => {
        $(
            #[test]
            fn $test() {
                run($script);
            }
        )*

        #[test]
        fn every_script_has_a_test() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vtc");
            for entry in path.read_dir().unwrap() {
                let name = entry.unwrap().file_name();
                assert!([$($script),*].iter().any(|script| name == *script), "{name:?}");
            }
        }
    };
}

scripts! {
    framing: "framing.vtc",
    limits: "limits.vtc",
    pipelining: "pipelining.vtc",
    proxy_bodies: "proxy_bodies.vtc",
    proxy_failures: "proxy_failures.vtc",
    proxy_retries: "proxy_retries.vtc",
    proxy_upgrade: "proxy_upgrade.vtc",
}
