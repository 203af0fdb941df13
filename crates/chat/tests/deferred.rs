//! Commands that come while a name is being decided about.

mod support;

use std::future::poll_fn;
use std::path::PathBuf;

use support::told;
use switchboard_chat::{Bye, Connection, Disk, Hub, HubOptions, Now};
use switchboard_runtime::Model;

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        let name = format!("switchboard-deferred-{name}-{}.redb", std::process::id());
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

/// Returns what a client is told up to an update that has `part` in it.
fn until(connection: &mut Connection, part: &str) -> String {
    let mut all = String::new();
    while !all.contains(part) && !all.contains("out_of_order") {
        let ready = poll_fn(|context| connection.poll_ready(context));
        Model::Blocking.run(ready).unwrap();
        all += &told(connection);
    }
    all
}

/// Has ann give her name a password, and leave.
fn register(hub: &Hub, now: Now) {
    let mut ann = hub.connect(now);
    ann.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    ann.receive(br#"{"type":"register","password":"correct horse"}"#, now);
    until(&mut ann, "registered\",");
    ann.quit();
}

#[test]
fn commands_wait_for_the_hello_before_them() {
    let (file, now) = (File::new("hello"), Now::read());
    let hub = file.hub();
    register(&hub, now);
    let mut again = hub.connect(now);
    for command in [
        r#"{"type":"hello","nick":"ann","password":"a wrong horse"}"#,
        r#"{"type":"hello","nick":"ann","password":"correct horse"}"#,
        r#"{"type":"join","room":"tea"}"#,
        r#"{"type":"say","room":"tea","text":"hello"}"#,
    ] {
        again.receive(command.as_bytes(), now);
    }
    let told = until(&mut again, r#""type":"said""#);
    assert!(told.contains(r#""code":"wrong_password""#), "{told}");
    assert!(!told.contains("out_of_order"), "{told}");
}

#[test]
fn what_waits_for_a_name_is_bounded_in_bytes() {
    let (file, now) = (File::new("bytes"), Now::read());
    let hub = file.hub();
    register(&hub, now);
    // The check of the second one's password waits for that of the first one's.
    let hello = br#"{"type":"hello","nick":"ann","password":"correct horse"}"#;
    let mut clients = [(); 2].map(|()| hub.connect(now));
    for client in &mut clients {
        client.receive(hello, now);
    }
    let [.., last] = &mut clients;
    let text = "x".repeat(16_000);
    let say = format!(r#"{{"type":"say","room":"tea","text":"{text}"}}"#);
    for _ in 0..4 {
        last.receive(say.as_bytes(), now);
    }
    assert_eq!(last.take(usize::MAX, &mut Vec::new()), None);
    last.receive(say.as_bytes(), now);
    assert_eq!(
        last.take(usize::MAX, &mut Vec::new()),
        Some(Bye::Flood),
        "five texts wait"
    );
}
