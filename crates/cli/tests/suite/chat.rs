//! `switchboard serve chat`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::{HeaderValue, ORIGIN};
use switchboard_runtime::{self as runtime, Model};
use switchboard_websocket::{ClientStream, Message, Options, WebSocket, connect};

use crate::served::{Served, run};

pub(crate) const WAYS: [&[&str]; 6] = [
    &["--model", "tasks", "--driver", "epoll"],
    &["--model", "tasks", "--driver", "uring"],
    &["--model", "tasks", "--driver", "poll"],
    &["--model", "green"],
    &["--model", "threads"],
    &["--model", "pool"],
];

pub(crate) fn serve(arguments: &[&str]) -> Served {
    let chat = ["chat", "--listen", "127.0.0.1:0"];
    Served::start(&[&chat, arguments].concat(), None)
}

/// A file for messages, which is removed at the end of the test.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str) -> File {
        let name = format!("switchboard-{name}-{}.redb", std::process::id());
        File(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) struct Client(pub(crate) WebSocket<ClientStream>);

impl Client {
    pub(crate) async fn connect(server: &Served, nick: &str) -> io::Result<Client> {
        let url = format!("ws://{}/ws", server.addr);
        let mut client = Client(connect(&url, &Options::new()).await?);
        let hello =
            format!(r#"{{"type":"hello","nick":"{nick}","session":"session of {nick:>10}"}}"#);
        client.0.send(&hello).await?;
        client.until(r#""type":"welcome""#).await?;
        client.0.send(r#"{"type":"join","room":"tea"}"#).await?;
        client.until(r#""type":"joined","room":"tea""#).await?;
        Ok(client)
    }

    pub(crate) async fn say(&mut self, text: &str) -> io::Result<()> {
        let say = format!(r#"{{"type":"say","room":"tea","text":"{text}","id":"{text}"}}"#);
        self.0.send(&say).await
    }

    /// Receives until a text holds `part`, and returns it.
    pub(crate) async fn until(&mut self, part: &str) -> io::Result<String> {
        loop {
            match self.0.recv().await? {
                Some(Message::Text(text)) if text.contains(part) => return Ok(text.to_string()),
                Some(Message::Close(Some(frame))) => {
                    return Ok(format!("closed {}", u16::from(frame.code)));
                }
                None => panic!("the connection ended before {part}"),
                Some(_) => {}
            }
        }
    }
}

#[test]
fn members_hear_each_other_under_every_model() {
    for way in WAYS {
        let server = serve(way);
        Model::Tasks
            .run(async {
                let mut ann = Client::connect(&server, "ann").await?;
                let mut ben = Client::connect(&server, "ben").await?;
                ann.say("hello").await?;
                for client in [&mut ann, &mut ben] {
                    let heard = client.until(r#""type":"message""#).await?;
                    assert!(
                        heard.contains(r#""offset":1,"from":"ann","text":"hello""#),
                        "{heard}"
                    );
                }
                io::Result::Ok(())
            })
            .unwrap()
            .unwrap_or_else(|error| panic!("{way:?}: {error}"));
        server.stop();
    }
}

#[test]
fn a_server_that_stops_asks_its_clients_to_come_back() {
    for way in WAYS {
        let mut server = serve(way);
        Model::Tasks
            .run(async {
                let mut ann = Client::connect(&server, "ann").await?;
                drop(server.child.stdin.take());
                let closed = ann.until("nothing more").await?;
                assert_eq!(closed, "closed 4000", "{way:?}");
                io::Result::Ok(())
            })
            .unwrap()
            .unwrap();
        server.stop();
    }
}

#[test]
fn acknowledged_messages_survive_the_end_of_the_process() {
    let file = File::new("killed");
    let arguments = ["--data", file.path()];
    for round in 0..10 {
        let mut server = serve(&arguments);
        let text = format!("message {round}");
        Model::Tasks
            .run(async {
                let mut ann = Client::connect(&server, "ann").await?;
                ann.say(&text).await?;
                ann.until(r#""type":"said""#).await.map(drop)
            })
            .unwrap()
            .unwrap();
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }
    let server = serve(&arguments);
    Model::Tasks
        .run(async {
            let mut ben = Client::connect(&server, "ben").await?;
            for round in 0..10 {
                let heard = ben.until(r#""type":"message""#).await?;
                let (offset, text) = (round + 1, format!("message {round}"));
                let expected = format!(r#""offset":{offset},"from":"ann","text":"{text}""#);
                assert!(heard.contains(&expected), "{heard}");
            }
            io::Result::Ok(())
        })
        .unwrap()
        .unwrap();
    server.stop();
}

#[test]
fn a_file_serves_one_server() {
    let file = File::new("shared");
    let server = serve(&["--data", file.path()]);
    let output = run(&[
        "serve",
        "chat",
        "--listen",
        "127.0.0.1:0",
        "--data",
        file.path(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    let expected = format!("--data {}: another server has it open", file.path());
    assert!(text.contains(&expected), "{text}");
    server.stop();
}

#[test]
fn what_cannot_be_shared_is_refused() {
    let refused: [(&[&str], &str); 4] = [
        (
            &["--model", "processes"],
            "each process would have rooms of its own",
        ),
        (
            &["--model", "blocking"],
            "one client would be served at a time",
        ),
        (&["--workers-as", "processes"], "use threads"),
        (
            &["--data", "/nowhere/chat.redb"],
            "--data /nowhere/chat.redb: ",
        ),
    ];
    for (arguments, expected) in refused {
        let output = run(&[&["serve", "chat", "--listen", "127.0.0.1:0"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn pages_of_other_origins_are_refused() {
    let server = serve(&[]);
    let refused = Model::Tasks.run(async {
        let origin = HeaderValue::from_static("https://elsewhere.example");
        let url = format!("ws://{}/ws", server.addr);
        connect(&url, &Options::new().field(ORIGIN, origin))
            .await
            .map(drop)
    });
    let error = refused.unwrap().unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
    server.stop();
}

/// A client that does not read is ended, though nothing can be sent to it, and its room is told.
#[test]
fn a_client_that_never_reads_is_ended() {
    const TALKERS: usize = 8;
    let text = "x".repeat(15_000);
    for way in WAYS {
        // Not filled by one message of each talker, so that it is full only while nothing can be sent.
        let server = serve(&[way, &["--outbox", "400000"]].concat());
        let ended = Model::Tasks.run(async {
            let mut frozen = Client::connect(&server, "frozen").await?;
            let mut watcher = Client::connect(&server, "watcher").await?;
            let mut talkers = Vec::new();
            for number in 0..TALKERS {
                let mut talker = Client::connect(&server, &format!("talker{number}")).await?;
                // Rooms of their own, so that talkers wait for nobody but the server.
                let join = format!(r#"{{"type":"join","room":"room{number}"}}"#);
                talker.0.send(r#"{"type":"leave","room":"tea"}"#).await?;
                for client in [&mut frozen, &mut talker] {
                    client.0.send(&join).await?;
                    client
                        .until(&format!(r#""type":"joined","room":"room{number}""#))
                        .await?;
                }
                talkers.push(talker);
            }
            // More than the sockets of this machine hold.
            let talking = talkers.iter_mut().enumerate().map(|(number, talker)| {
                let text = &text;
                async move {
                    for id in 0..50 {
                        let say = format!(
                            r#"{{"type":"say","room":"room{number}","text":"{text}","id":"{id}"}}"#
                        );
                        talker.0.send(&say).await?;
                        talker.until(r#""type":"said""#).await?;
                    }
                    io::Result::Ok(())
                }
            });
            for talked in runtime::gather(talking).await {
                talked?;
            }
            let away = r#""nick":"frozen","state":"away""#;
            let away = runtime::timeout(Duration::from_secs(60), watcher.until(away)).await;
            io::Result::Ok(away.is_ok())
        });
        assert!(ended.unwrap().unwrap(), "{way:?}: the client was not ended");
        server.stop();
    }
}

/// Sends `hello` for a name, and returns what comes.
async fn hello(
    server: &Served,
    nick: &str,
    password: Option<&str>,
) -> io::Result<(Client, String)> {
    let url = format!("ws://{}/ws", server.addr);
    let mut client = Client(connect(&url, &Options::new()).await?);
    let hello = serde_json::json!({"type": "hello", "nick": nick, "password": password});
    client.0.send(&*hello.to_string()).await?;
    let answer = client.until(r#"{"type":"#).await?;
    Ok((client, answer))
}

/// Gives a name a password.
pub(crate) fn register(server: &Served, nick: &str, password: &str) {
    let registered = Model::Tasks.run(async {
        let (mut client, _) = hello(server, nick, None).await?;
        let register = serde_json::json!({"type": "register", "password": password});
        client.0.send(&*register.to_string()).await?;
        client.until(r#""type":"registered""#).await
    });
    registered.unwrap().unwrap();
}

#[test]
fn a_name_with_a_password_is_its_users_under_every_model() {
    for way in WAYS {
        let file = File::new("accounts");
        let arguments = [way, &["--data", file.path()]].concat();
        let mut server = serve(&arguments);
        register(&server, "ann", "correct horse");
        // What was told to be kept survives.
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let server = serve(&arguments);
        let answers = Model::Tasks.run(async {
            let mut answers = Vec::new();
            for password in [None, Some("a wrong horse"), Some("correct horse")] {
                answers.push(hello(&server, "ann", password).await?.1);
            }
            io::Result::Ok(answers)
        });
        let answers = answers.unwrap().unwrap();
        for (answer, expected) in
            answers
                .iter()
                .zip(["password_needed", "wrong_password", "welcome"])
        {
            assert!(answer.contains(expected), "{way:?}: {answer}");
        }
        server.stop();
    }
}

#[test]
fn an_operator_lists_accounts_and_removes_them() {
    let file = File::new("operator");
    let server = serve(&["--data", file.path()]);
    let registered = Model::Tasks.run(async {
        for nick in ["Ann", "ben"] {
            let (mut client, _) = hello(&server, nick, None).await?;
            let register = r#"{"type":"register","password":"correct horse"}"#;
            client.0.send(register).await?;
            client.until(r#""type":"registered""#).await?;
        }
        io::Result::Ok(())
    });
    registered.unwrap().unwrap();
    let accounts = |arguments: &[&str]| {
        let output = run(&[&["accounts", "--data", file.path()], arguments].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let open = format!(
        "switchboard: --data {}: a server has it open: stop that first\n",
        file.path()
    );
    assert_eq!(accounts(&[]), (Some(2), open.clone()));
    assert_eq!(accounts(&["--remove", "ann"]), (Some(2), open));
    server.stop();
    assert_eq!(accounts(&[]), (Some(0), "Ann\nben\n".to_owned()));
    assert_eq!(accounts(&["--remove", "ann"]), (Some(0), String::new()));
    let none = "switchboard: --remove: `ann` has no password\n".to_owned();
    assert_eq!(accounts(&["--remove", "ann"]), (Some(1), none));
    assert_eq!(accounts(&[]), (Some(0), "ben\n".to_owned()));
    let output = run(&["accounts", "--data", "/nowhere/chat.redb"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_server_without_a_file_keeps_no_passwords() {
    let server = serve(&[]);
    let refused = Model::Tasks.run(async {
        let (mut ann, _) = hello(&server, "ann", None).await?;
        let register = r#"{"type":"register","password":"correct horse"}"#;
        ann.0.send(register).await?;
        ann.until(r#""type":"error""#).await
    });
    let refused = refused.unwrap().unwrap();
    assert!(
        refused.contains(r#""code":"no_accounts","text":"this server has no file"#),
        "{refused}"
    );
    server.stop();
}
