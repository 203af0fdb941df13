//! The echo servers.

use std::process::{Command, Stdio};

use super::programs::{compile, ours};
use super::{Contender, Service};

fn echo(name: &str, program: &str, after: &[&str]) -> Contender {
    let listen = ["0.0.0.0:0"];
    let arguments = listen.iter().chain(after).map(|&word| word.to_owned());
    Contender {
        name: name.to_owned(),
        service: Service::Echo,
        program: ours(program),
        arguments: arguments.collect(),
        configuration: "",
        missing: None,
    }
}

/// Those built here.
pub fn built() -> Vec<Contender> {
    let switchboard = |name: &str| {
        let words: Vec<&str> = name.split('/').collect();
        echo(name, "echo-switchboard", &words)
    };
    vec![
        echo("raw-epoll", "echo-raw-epoll", &[]),
        echo("raw-uring", "echo-raw-uring", &[]),
        switchboard("tasks/epoll"),
        switchboard("tasks/uring"),
        switchboard("green/epoll"),
        switchboard("callbacks/epoll"),
        switchboard("callbacks/uring"),
        switchboard("threads"),
        echo("tokio", "echo-tokio", &[]),
        echo("tokio-multi", "echo-tokio", &["multi"]),
        echo("monoio", "echo-monoio", &[]),
        echo("compio", "echo-compio", &[]),
        echo("smol", "echo-smol", &[]),
        echo("may", "echo-may", &[]),
        echo("std-threads", "echo-threads", &[]),
    ]
}

/// Another build of `echo-switchboard`, under every model that is known here.
pub fn beside(program: &str) -> Vec<Contender> {
    let this = ours("echo-switchboard");
    let ours = built().into_iter().filter(|one| one.program == this);
    ours.map(|one| Contender {
        name: format!("beside/{}", one.name),
        program: program.into(),
        ..one
    })
    .collect()
}

/// Those of other languages that this machine can run.
pub fn elsewhere() -> Vec<Contender> {
    let mut all = Vec::new();
    if compile("echo-go").is_ok() {
        all.push(echo("go", "echo-go", &[]));
    }
    for (name, program, probe, script, after) in [
        (
            "asyncio",
            "python3",
            "import asyncio",
            "echo_asyncio.py",
            "",
        ),
        (
            "uvloop",
            "python3",
            "import uvloop",
            "echo_asyncio.py",
            "uvloop",
        ),
        ("gevent", "python3", "import gevent", "echo_gevent.py", ""),
        (
            "twisted",
            "python3",
            "import twisted",
            "echo_twisted.py",
            "",
        ),
        ("node", "node", "", "echo.js", ""),
    ] {
        let option = if program == "node" { "-e" } else { "-c" };
        // A contender without an interpreter or its module is left out.
        let found = Command::new(program)
            .args([option, probe])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if found {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/").to_owned() + script;
            let after = Some(after).filter(|word| !word.is_empty());
            let mut one = echo(name, "", after.as_slice());
            one.program = program.into();
            one.arguments.insert(0, script);
            all.push(one);
        }
    }
    all
}
