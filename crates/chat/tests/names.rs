//! Names in upper and lower case.

mod support;

use support::told;
use switchboard_chat::{Hub, HubOptions, InMemory, Name, Now};

#[test]
fn a_user_is_told_in_whatever_case_the_name_is_written() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let [mut ann, mut ben] = ["Ann", "ben"].map(|nick| {
        let mut connection = hub.connect(now);
        let hello = format!(r#"{{"type":"hello","nick":"{nick}"}}"#);
        connection.receive(hello.as_bytes(), now);
        connection
    });
    ben.receive(br#"{"type":"tell","to":"aNN","text":"hello"}"#, now);
    let told = told(&mut ann);
    assert!(
        told.contains(r#""room":"@ann","offset":1,"from":"ben","text":"hello""#),
        "{told}"
    );
}

#[test]
fn a_name_is_taken_in_every_case() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let (mut ann, mut other) = (hub.connect(now), hub.connect(now));
    ann.receive(br#"{"type":"hello","nick":"Ann"}"#, now);
    other.receive(br#"{"type":"hello","nick":"ANN"}"#, now);
    let told = told(&mut other);
    assert!(told.contains(r#""code":"nick_taken""#), "{told}");
}

#[test]
fn letters_that_nobody_sees_are_in_no_name() {
    for hidden in [
        '\u{115F}', '\u{1160}', '\u{3164}', '\u{FFA0}', '\u{200B}', '\u{202E}',
    ] {
        assert!(
            format!("ann{hidden}").parse::<Name>().is_err(),
            "{hidden:?}"
        );
    }
}
