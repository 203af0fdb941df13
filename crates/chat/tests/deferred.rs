//! Commands that come while a name is being decided about.

mod support;

use std::future::poll_fn;

use support::file::File;
use support::told_until;
use switchboard_chat::{Bye, Hub, HubOptions, Now};
use switchboard_runtime::Model;

/// Has ann give her name a password, and leave.
fn register(hub: &Hub, now: Now) {
    let mut ann = hub.connect(now);
    ann.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    ann.receive(br#"{"type":"register","password":"correct horse"}"#, now);
    told_until(&mut ann, |all| all.contains(r#""type":"registered""#));
    ann.quit();
}

#[test]
fn commands_wait_for_the_hello_before_them() {
    let (file, now) = (File::new(), Now::read());
    let hub = file.hub(HubOptions::default());
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
    let told = told_until(&mut again, |all| {
        all.contains(r#""type":"said""#) || all.contains("out_of_order")
    });
    assert!(told.contains(r#""code":"wrong_password""#), "{told}");
    assert!(!told.contains("out_of_order"), "{told}");
}

#[test]
fn a_connection_that_has_ended_takes_no_name() {
    let (file, now) = (File::new(), Now::read());
    let hub = file.hub(HubOptions::default());
    register(&hub, now);
    let hello = br#"{"type":"hello","nick":"ann","password":"correct horse"}"#;
    let mut old = hub.connect(now);
    old.receive(hello, now);
    // Its password is right, and nobody reads that before the end.
    let checked = poll_fn(|context| old.poll_ready(context));
    Model::Blocking.run(checked).unwrap();
    let mut new = hub.connect(now);
    new.receive(hello, now);
    told_until(&mut new, |all| all.contains(r#""type":"welcome""#));
    old.end(Bye::Restart);
    let mut told = Vec::new();
    assert_eq!(old.take(usize::MAX, &mut told), Some(Bye::Restart));
    assert!(told.is_empty(), "{told:?}");
    drop(old);
    assert_eq!(new.take(usize::MAX, &mut told), None);
    assert_eq!(new.nick().map(|nick| &**nick), Some("ann"));
}
