//! The chat servers, and WebSocket echo servers.

use super::Service::{Chat, Frozen, WebSocket};
use super::programs::{find, succeeds};
use super::{Contender, Service};

/// Name, service, command line.
const ROWS: &[(&str, Service, &str)] = &[
    (
        "tasks/epoll",
        Chat,
        "switchboard serve chat --listen 0.0.0.0:@PORT@ --model tasks --driver epoll",
    ),
    (
        "tasks/uring",
        Chat,
        "switchboard serve chat --listen 0.0.0.0:@PORT@ --model tasks --driver uring",
    ),
    (
        "green/epoll",
        Chat,
        "switchboard serve chat --listen 0.0.0.0:@PORT@ --model green --driver epoll",
    ),
    (
        "threads",
        Chat,
        "switchboard serve chat --listen 0.0.0.0:@PORT@ --model threads",
    ),
    (
        "drop-oldest",
        Frozen,
        "switchboard serve chat --listen 0.0.0.0:@PORT@ --model tasks --driver epoll --overflow drop-oldest",
    ),
    ("tokio-tungstenite", Chat, "chat-tokio 0.0.0.0:0"),
    ("axum", Chat, "chat-axum 0.0.0.0:0"),
    ("ws", Chat, "node @HERE@/scripts/chat.js 0.0.0.0:0"),
    (
        "websockets",
        Chat,
        "python3 @HERE@/scripts/chat.py 0.0.0.0:0",
    ),
    (
        "tasks/epoll",
        WebSocket,
        "websocket-switchboard 0.0.0.0:0 tasks epoll",
    ),
    (
        "tasks/uring",
        WebSocket,
        "websocket-switchboard 0.0.0.0:0 tasks uring",
    ),
    (
        "green/epoll",
        WebSocket,
        "websocket-switchboard 0.0.0.0:0 green epoll",
    ),
    (
        "threads",
        WebSocket,
        "websocket-switchboard 0.0.0.0:0 threads",
    ),
    ("tokio-tungstenite", WebSocket, "chat-tokio 0.0.0.0:0 echo"),
    ("axum", WebSocket, "chat-axum 0.0.0.0:0 echo"),
    (
        "ws",
        WebSocket,
        "node @HERE@/scripts/chat.js 0.0.0.0:0 echo",
    ),
    (
        "websockets",
        WebSocket,
        "python3 @HERE@/scripts/chat.py 0.0.0.0:0 echo",
    ),
];

/// Those that do `service`, with the reasons why some can't here.
pub fn chat(service: Service) -> Vec<Contender> {
    let rows = ROWS
        .iter()
        .filter(|row| row.1 == service || (row.1, service) == (Chat, Frozen));
    rows.map(|&(name, service, line)| contender(name, service, line))
        .collect()
}

/// Another build of `switchboard`, under every model that is known here.
pub fn chat_beside(program: &str) -> Vec<Contender> {
    let all = chat(Service::Chat).into_iter();
    let ours = all.filter(|one| one.program.ends_with("switchboard"));
    ours.map(|one| Contender {
        name: format!("beside/{}", one.name),
        program: program.into(),
        ..one
    })
    .collect()
}

fn contender(name: &str, service: Service, line: &str) -> Contender {
    let line = line.replace("@HERE@", env!("CARGO_MANIFEST_DIR"));
    let (program, arguments) = line.split_once(' ').unwrap_or((&line, ""));
    let path = find(program);
    let mut missing = path.as_ref().err().cloned();
    if let (Ok(path), "switchboard") = (&path, program)
        && !succeeds(path, "serve chat --help")
    {
        missing = Some(format!("{} has no `serve chat`", path.display()));
    }
    Contender {
        name: name.to_owned(),
        service,
        program: path.unwrap_or_default(),
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        configuration: "",
        missing,
    }
}
