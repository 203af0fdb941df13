//! `switchboard serve echo --websocket`.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use switchboard_runtime::{Driver, Model};
use switchboard_websocket::{Deflate, Message, Options, connect};

use crate::served::{Served, run};

const ECHO: [&str; 4] = ["echo", "--websocket", "--listen", "127.0.0.1:0"];

#[test]
fn every_model_echoes_messages() {
    for model in Model::ALL {
        let served = Served::start(
            &[&ECHO[..], &["--model", &model.to_string()]].concat(),
            None,
        );
        let url = format!("ws://{}/", served.addr);
        let options = Options::new().deflate(Deflate::new());
        let asked = Model::Blocking.run(async {
            let mut socket = connect(&url, &options).await?;
            let text = "hello ".repeat(1000);
            socket.send(&text).await?;
            assert_eq!(
                socket.recv().await?,
                Some(Message::Text(text.into())),
                "{model}"
            );
            socket.close(None).await
        });
        asked.unwrap().unwrap();
    }
}

#[test]
fn a_plain_function_speaks_no_websocket() {
    let output = run(&["serve", "echo", "--websocket", "--plain"]);
    assert_eq!(output.status.code(), Some(2));
}

/// Runs the cases of the Autobahn test suite, whose fuzzing client `AUTOBAHN` names, as `wstest` does. `CASES` selects some.
#[test]
#[ignore = "takes an hour, and needs AUTOBAHN, the command of the fuzzing client"]
fn autobahn_finds_nothing() {
    let client = env::var("AUTOBAHN")
        .expect("AUTOBAHN is the command of the fuzzing client, such as wstest");
    let cases = env::var("CASES").unwrap_or_else(|_| "*".into());
    let folder = env::temp_dir().join(format!("autobahn-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let uring = Driver::Uring
        .open()
        .is_ok()
        .then_some(["--model", "tasks", "--driver", "uring"]);
    let all = [
        ["--model", "tasks", "--driver", "epoll"],
        ["--model", "green", "--driver", "epoll"],
        ["--model", "callbacks", "--driver", "epoll"],
        ["--model", "threads", "--workers", "1"],
    ];
    for arguments in all.into_iter().chain(uring) {
        let served = Served::start(&[&ECHO[..], &arguments].concat(), None);
        let reports = folder.join(arguments.concat());
        let settings = serde_json::json!({
            "outdir": reports,
            "servers": [{"agent": "echo", "url": format!("ws://{}", served.addr)}],
            "cases": cases.split(' ').collect::<Vec<_>>(),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        });
        let file = folder.join("settings.json");
        fs::write(&file, settings.to_string()).unwrap();
        let mut words = client.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["-m", "fuzzingclient", "-s"])
            .arg(&file);
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
        let index = fs::read(reports.join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
        let results = index["echo"].as_object().unwrap();
        assert!(!results.is_empty());
        for (case, result) in results {
            let behavior = result["behavior"].as_str().unwrap();
            assert!(
                ["OK", "INFORMATIONAL"].contains(&behavior),
                "{arguments:?} {case}: {result}"
            );
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}
