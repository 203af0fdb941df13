//! Names that are held by passwords.

mod support;

use std::future::poll_fn;
use std::path::PathBuf;

use support::told;
use switchboard_chat::{Bye, Connection, Disk, Hub, HubOptions, InMemory, Now};
use switchboard_runtime::Model;

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        let name = format!("switchboard-accounts-{name}-{}.redb", std::process::id());
        File(std::env::temp_dir().join(name))
    }

    fn hub(&self) -> Hub {
        let options = HubOptions::default();
        let disk = Disk::open(&self.0, &options).unwrap();
        Hub::new(options, disk)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Sends a command, and returns what the client is told then, which another thread may have to decide.
fn ask(connection: &mut Connection, command: &str) -> String {
    ask_at(connection, command, Now::read())
}

fn ask_at(connection: &mut Connection, command: &str, now: Now) -> String {
    connection.receive(command.as_bytes(), now);
    let mut all = String::new();
    // A greeting that is decided about is gone on with when the client's flow looks.
    while all.is_empty() {
        let ready = poll_fn(|context| connection.poll_ready(context));
        Model::Blocking.run(ready).unwrap();
        all = told(connection);
        if connection.take(0, &mut Vec::new()).is_some() {
            break;
        }
    }
    all
}

fn hello(hub: &Hub, nick: &str, password: Option<&str>) -> (Connection, String) {
    let mut connection = hub.connect(Now::read());
    let password = password.map_or(String::new(), |password| {
        format!(r#","password":"{password}""#)
    });
    let hello = format!(r#"{{"type":"hello","nick":"{nick}"{password}}}"#);
    let told = ask(&mut connection, &hello);
    (connection, told)
}

fn register(connection: &mut Connection, password: &str) -> String {
    ask(
        connection,
        &format!(r#"{{"type":"register","password":"{password}"}}"#),
    )
}

fn change(connection: &mut Connection, old: &str, new: &str) -> String {
    ask(
        connection,
        &format!(r#"{{"type":"password","old":"{old}","new":"{new}"}}"#),
    )
}

const REGISTERED: &str = "{\"type\":\"registered\",\"nick\":\"Ann\"}\n";

#[test]
fn a_registered_name_is_its_users_alone() {
    let file = File::new("alone");
    let hub = file.hub();
    let (mut ann, welcome) = hello(&hub, "Ann", None);
    assert!(welcome.contains(r#""registered":false"#), "{welcome}");
    assert_eq!(register(&mut ann, "correct horse"), REGISTERED);
    let twice = register(&mut ann, "another horse");
    assert!(twice.contains("change it by `password`"), "{twice}");

    let (_, none) = hello(&hub, "ann", None);
    assert!(none.contains(r#""code":"password_needed""#), "{none}");
    let (mut eve, wrong) = hello(&hub, "ann", Some("a wrong horse"));
    assert!(wrong.contains(r#""code":"wrong_password""#), "{wrong}");
    // A name that nobody has registered is answered like a wrong password.
    let unknown = ask(
        &mut eve,
        r#"{"type":"hello","nick":"bob","password":"a wrong horse"}"#,
    );
    assert_eq!(unknown, wrong);
    // The user is welcome, and takes the name over.
    let (again, welcome) = hello(&hub, "ANN", Some("correct horse"));
    assert!(welcome.contains(r#""nick":"Ann""#), "{welcome}");
    assert!(welcome.contains(r#""registered":true"#), "{welcome}");
    assert_eq!(ann.take(usize::MAX, &mut Vec::new()), Some(Bye::Replaced));
    // A connection of the same session needs no password.
    let session = welcome.split(r#""session":""#).nth(1).unwrap();
    let session = session.split('"').next().unwrap();
    let mut resumed = hub.connect(Now::read());
    let hello_again = format!(r#"{{"type":"hello","nick":"ann","session":"{session}"}}"#);
    let welcome = ask(&mut resumed, &hello_again);
    assert!(welcome.contains(r#""resumed":true"#), "{welcome}");
    drop((again, resumed));

    // Nobody else has it after a restart.
    drop((ann, eve, hub));
    let hub = file.hub();
    let (_, none) = hello(&hub, "ann", None);
    assert!(none.contains(r#""code":"password_needed""#), "{none}");
    let (_, welcome) = hello(&hub, "ann", Some("correct horse"));
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
}

#[test]
fn a_password_can_be_changed_by_who_knows_it() {
    let file = File::new("changed");
    let hub = file.hub();
    let (mut ann, _) = hello(&hub, "Ann", None);
    let early = change(&mut ann, "none so far", "correct horse");
    assert!(early.contains("by `register`"), "{early}");
    assert_eq!(register(&mut ann, "correct horse"), REGISTERED);
    let wrong = change(&mut ann, "a wrong horse", "better horse");
    assert!(wrong.contains(r#""code":"wrong_password""#), "{wrong}");
    assert_eq!(
        change(&mut ann, "correct horse", "better horse"),
        REGISTERED
    );
    let (_, old) = hello(&hub, "ann", Some("correct horse"));
    assert!(old.contains(r#""code":"wrong_password""#), "{old}");
    let (_, new) = hello(&hub, "ann", Some("better horse"));
    assert!(new.contains(r#""type":"welcome""#), "{new}");
}

#[test]
fn who_is_registered_is_told_though_nobody_is_there() {
    let file = File::new("told");
    let hub = file.hub();
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    drop((ann, hub));
    let hub = file.hub();
    let (mut bob, _) = hello(&hub, "bob", None);
    let said = ask(&mut bob, r#"{"type":"tell","to":"ann","text":"hello"}"#);
    assert!(said.contains(r#""type":"said","room":"@ann""#), "{said}");
    let (_, told) = hello(&hub, "ann", Some("correct horse"));
    assert!(
        told.contains(r#""room":"@ann","offset":1,"from":"bob""#),
        "{told}"
    );
}

#[test]
fn passwords_out_of_bounds_are_refused() {
    let file = File::new("bounds");
    let hub = file.hub();
    let (mut ann, _) = hello(&hub, "Ann", None);
    for password in ["short", &"x".repeat(73)] {
        let refused = register(&mut ann, password);
        assert!(
            refused.contains("a password has 8 to 72 bytes"),
            "{refused}"
        );
    }
    assert_eq!(register(&mut ann, &"x".repeat(72)), REGISTERED);
    let (_, refused) = hello(&hub, "ann", Some(&"x".repeat(73)));
    assert!(refused.contains(r#""code":"invalid""#), "{refused}");
}

#[test]
fn where_no_passwords_are_kept_one_line_says_so() {
    let with_tokens = HubOptions {
        secret: Some(b"a secret of the server".to_vec()),
        ..HubOptions::default()
    };
    let token = switchboard_chat::sign(
        b"a secret of the server",
        &"ann".parse().unwrap(),
        Now::read(),
        std::time::Duration::from_secs(60),
    );
    let file = File::new("tokens");
    let disk = Disk::open(&file.0, &with_tokens).unwrap();
    for (hub, why) in [
        (
            Hub::new(HubOptions::default(), InMemory),
            "this server has no file",
        ),
        (
            Hub::new(with_tokens, disk),
            "names are proved by tokens here",
        ),
    ] {
        let mut ann = hub.connect(Now::read());
        let hello = format!(r#"{{"type":"hello","nick":"ann","token":"{token}"}}"#);
        let welcome = ask(&mut ann, &hello);
        assert!(!welcome.contains("registered"), "{welcome}");
        let refused = register(&mut ann, "correct horse");
        let expected = format!(r#"{{"type":"error","code":"no_accounts","text":"{why}"#);
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

#[test]
fn passwords_are_no_flood() {
    let file = File::new("flood");
    let hub = file.hub();
    // One connection is ended, also if it waits for each answer.
    let (mut eve, now) = (hub.connect(Now::read()), Now::read());
    let hello_again = r#"{"type":"hello","nick":"ann","password":"a wrong horse"}"#;
    for _ in 0..5 {
        let told = ask_at(&mut eve, hello_again, now);
        assert!(told.contains("wrong_password"), "{told}");
    }
    assert_eq!(ask_at(&mut eve, hello_again, now), "");
    assert_eq!(eve.take(usize::MAX, &mut Vec::new()), Some(Bye::Flood));
    // Of many connections, as many wait as are bounded.
    let mut many: Vec<_> = (0..100).map(|_| hub.connect(Now::read())).collect();
    for connection in &mut many {
        connection.receive(hello_again.as_bytes(), Now::read());
    }
    let mut ended = many
        .iter_mut()
        .map(|it| it.take(usize::MAX, &mut Vec::new()));
    assert!(ended.any(|end| end == Some(Bye::Busy)));
}

#[test]
fn an_operator_lists_and_removes_accounts() {
    let file = File::new("operator");
    let hub = file.hub();
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    let open = Disk::accounts_in(&file.0).unwrap_err().to_string();
    assert!(
        open.ends_with("a server has it open: stop that first"),
        "{open}"
    );
    drop((ann, hub));
    let names: Vec<_> = Disk::accounts_in(&file.0).unwrap();
    assert_eq!(
        names.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["Ann"]
    );
    let names = ["aNN", "bob"].map(|name| name.parse().unwrap());
    assert_eq!(
        Disk::remove_accounts(&file.0, &names).unwrap(),
        [true, false]
    );
    assert_eq!(
        Disk::remove_accounts(&file.0, &names).unwrap(),
        [false, false]
    );
    let (_, welcome) = hello(&file.hub(), "ann", None);
    assert!(welcome.contains(r#""registered":false"#), "{welcome}");
    assert!(Disk::accounts_in(std::path::Path::new("/nowhere/chat.redb")).is_err());
}
