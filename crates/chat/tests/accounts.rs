//! Names that are held by passwords.

mod support;

use std::future::poll_fn;

use support::file::File;
use support::told;
use switchboard_chat::{Bye, Connection, Disk, Hub, HubOptions, InMemory, Now};
use switchboard_runtime::Model;

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

fn is_registered(told: &str) -> bool {
    told.starts_with(r#"{"type":"registered","nick":"Ann","session":""#)
}

/// Returns the session that a client is told.
fn session(told: &str) -> &str {
    let session = told.split(r#""session":""#).nth(1).unwrap();
    session.split('"').next().unwrap()
}

fn resume(hub: &Hub, session: &str) -> (Connection, String) {
    let mut connection = hub.connect(Now::read());
    let hello = format!(r#"{{"type":"hello","nick":"ann","session":"{session}"}}"#);
    let told = ask(&mut connection, &hello);
    (connection, told)
}

#[test]
fn a_registered_name_is_its_users_alone() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, welcome) = hello(&hub, "Ann", None);
    assert!(welcome.contains(r#""registered":false"#), "{welcome}");
    assert!(is_registered(&register(&mut ann, "correct horse")));
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
    let (resumed, welcome) = resume(&hub, session(&welcome));
    assert!(welcome.contains(r#""resumed":true"#), "{welcome}");
    drop((again, resumed));

    // Nobody else has it after a restart.
    drop((ann, eve, hub));
    let hub = file.hub(HubOptions::default());
    let (_, none) = hello(&hub, "ann", None);
    assert!(none.contains(r#""code":"password_needed""#), "{none}");
    let (_, welcome) = hello(&hub, "ann", Some("correct horse"));
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
}

#[test]
fn a_password_can_be_changed_by_who_knows_it() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    let early = change(&mut ann, "none so far", "correct horse");
    assert!(early.contains("by `register`"), "{early}");
    assert!(is_registered(&register(&mut ann, "correct horse")));
    let wrong = change(&mut ann, "a wrong horse", "better horse");
    assert!(wrong.contains(r#""code":"wrong_password""#), "{wrong}");
    let changed = change(&mut ann, "correct horse", "better horse");
    assert!(is_registered(&changed), "{changed}");
    let (_, old) = hello(&hub, "ann", Some("correct horse"));
    assert!(old.contains(r#""code":"wrong_password""#), "{old}");
    let (_, new) = hello(&hub, "ann", Some("better horse"));
    assert!(new.contains(r#""type":"welcome""#), "{new}");
}

#[test]
fn who_is_registered_is_told_though_nobody_is_there() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    drop((ann, hub));
    let hub = file.hub(HubOptions::default());
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
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    for password in ["short", &"x".repeat(73)] {
        let refused = register(&mut ann, password);
        assert!(
            refused.contains("a password has 8 to 72 bytes"),
            "{refused}"
        );
    }
    assert!(is_registered(&register(&mut ann, &"x".repeat(72))));
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
    let file = File::new();
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
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
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
fn a_session_ends_with_the_password_that_it_began_with() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, welcome) = hello(&hub, "Ann", None);
    let mut sessions = vec![session(&welcome).to_owned()];
    sessions.push(session(&register(&mut ann, "correct horse")).to_owned());
    let changed = change(&mut ann, "correct horse", "better horse");
    sessions.push(session(&changed).to_owned());
    // One that has the session has it taken by whoever knows the password.
    let (_eve, stolen) = resume(&hub, &sessions[2]);
    assert!(stolen.contains(r#""resumed":true"#), "{stolen}");
    let (_ann, welcome) = hello(&hub, "Ann", Some("better horse"));
    sessions.push(session(&welcome).to_owned());
    for over in &sessions[..3] {
        let (_, refused) = resume(&hub, over);
        assert!(refused.contains(r#""code":"password_needed""#), "{refused}");
    }
    let (_, welcome) = resume(&hub, &sessions[3]);
    assert!(welcome.contains(r#""resumed":true"#), "{welcome}");
    // A session that its client has chosen, and says again with the password, is over as well.
    let mut again = hub.connect(Now::read());
    let old = &sessions[0];
    let hello =
        format!(r#"{{"type":"hello","nick":"ann","session":"{old}","password":"better horse"}}"#);
    let welcome = ask(&mut again, &hello);
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
    assert_ne!(session(&welcome), old);
}

#[test]
fn wrong_passwords_of_one_name_keep_nobody_else_out() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    let (mut bob, _) = hello(&hub, "bob", None);
    register(&mut bob, "better horse");
    let mut many: Vec<_> = (0..100).map(|_| hub.connect(Now::read())).collect();
    // Names that nobody has registered take no place.
    for nick in ["nobody", "ann"] {
        let wrong = format!(r#"{{"type":"hello","nick":"{nick}","password":"a wrong horse"}}"#);
        for connection in &mut many {
            connection.receive(wrong.as_bytes(), Now::read());
        }
    }
    assert!(told(&mut many[0]).contains("wrong_password"));
    let (_bob, welcome) = hello(&hub, "bob", Some("better horse"));
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
}

#[test]
fn a_name_pauses_after_some_wrong_passwords() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    let now = Now::read();
    let guess = |now: Now| {
        let mut eve = hub.connect(now);
        let wrong = r#"{"type":"hello","nick":"ann","password":"a wrong horse"}"#;
        let told = ask_at(&mut eve, wrong, now);
        (told, eve.take(usize::MAX, &mut Vec::new()))
    };
    for _ in 0..5 {
        let (told, end) = guess(now);
        assert!(told.contains("wrong_password") && end.is_none(), "{told}");
    }
    assert_eq!(guess(now), (String::new(), Some(Bye::Busy)));
    let later = now.after(std::time::Duration::from_secs(1));
    assert!(guess(later).0.contains("wrong_password"));
    assert_eq!(guess(later).1, Some(Bye::Busy));
}

#[test]
fn a_name_gets_one_password_though_two_clients_have_it_meanwhile() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut first, _) = hello(&hub, "Ann", None);
    let command = br#"{"type":"register","password":"correct horse"}"#;
    first.receive(command, Now::read());
    first.quit();
    let (mut second, _) = hello(&hub, "Ann", None);
    let refused = register(&mut second, "better horse");
    assert!(refused.contains(r#""code":"out_of_order""#), "{refused}");
    drop(second);
    loop {
        let (_, told) = hello(&hub, "ann", Some("correct horse"));
        // It is kept in a moment.
        if told.contains(r#""type":"welcome""#) {
            break;
        }
    }
    let (_, told) = hello(&hub, "ann", Some("better horse"));
    assert!(told.contains(r#""code":"wrong_password""#), "{told}");
}

#[test]
fn names_get_passwords_at_a_rate() {
    let file = File::new();
    let (hub, now) = (file.hub(HubOptions::default()), Now::read());
    let register = |number: usize| {
        let mut connection = hub.connect(now);
        let hello = format!(r#"{{"type":"hello","nick":"user{number}"}}"#);
        connection.receive(hello.as_bytes(), now);
        told(&mut connection);
        let register = br#"{"type":"register","password":"correct horse"}"#;
        connection.receive(register, now);
        (told(&mut connection), connection)
    };
    let all: Vec<_> = (0..61).map(register).collect();
    let later = |told: &str| told.contains("too many names get passwords now: try again");
    assert!(all[..60].iter().all(|(told, _)| !later(told)));
    assert!(later(&all[60].0), "{}", all[60].0);
}

#[test]
fn an_operator_lists_and_removes_accounts() {
    let file = File::new();
    let hub = file.hub(HubOptions::default());
    let (mut ann, _) = hello(&hub, "Ann", None);
    register(&mut ann, "correct horse");
    let open = Disk::accounts_in(&file.0).unwrap_err().to_string();
    assert!(
        open.ends_with("a server has it open: stop that first"),
        "{open}"
    );
    drop((ann, hub));
    let names: Vec<_> = file.free(Disk::accounts_in);
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
    let (_, welcome) = hello(&file.hub(HubOptions::default()), "ann", None);
    assert!(welcome.contains(r#""registered":false"#), "{welcome}");
    assert!(Disk::accounts_in(std::path::Path::new("/nowhere/chat.redb")).is_err());
}
