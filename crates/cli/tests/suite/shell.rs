//! Completions, manual pages and colour.

use std::process::{Command, Stdio};

use crate::served::{BINARY, run};

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text.contains("slow-site") && text.contains("max-connections"));
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
    let script = run(&["completions", "bash"]).stdout;
    let mut bash = Command::new("bash");
    let mut child = match bash.arg("-n").stdin(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return println!("skip: no bash: {error}"),
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &script).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn each_command_has_a_manual_page() {
    let page = String::from_utf8(run(&["man"]).stdout).unwrap();
    assert!(page.contains(".TH switchboard 1"), "{page}");
    let dir = std::env::temp_dir().join(format!("switchboard-man-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let output = run(&["man", dir.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let serve = std::fs::read_to_string(dir.join("switchboard-serve-echo.1")).unwrap();
    let pages = std::fs::read_dir(&dir).unwrap().flatten();
    let names: Vec<_> = pages.map(|page| page.file_name()).collect();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(serve.contains("Exit status") && serve.contains("drain"));
    assert!(!names.iter().any(|name| name == "switchboard-cell.1"));
    let output = run(&["man", dir.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("cannot write to") && text.contains(dir.to_str().unwrap()));
}

#[test]
fn colour_is_used_when_asked_for() {
    let colored = |arguments: &[&str]| {
        let output = run(arguments);
        [output.stdout, output.stderr].concat().contains(&0x1b)
    };
    assert!(!colored(&["--help"]));
    assert!(colored(&["--color", "always", "--help"]));
    assert!(colored(&["serve", "echo", "--help", "--color=always"]));
    assert!(colored(&[
        "serve",
        "echo",
        "--color=always",
        "--workers",
        "0"
    ]));
    assert!(!colored(&["--color", "never", "--help"]));
    assert_eq!(run(&["--color", "green", "models"]).status.code(), Some(2));
    let mut no_color = Command::new(BINARY);
    no_color.args(["--help"]).env("NO_COLOR", "1");
    assert!(!no_color.output().unwrap().stdout.contains(&0x1b));
}
