//! Looks at connections while something is decided.

use std::time::Duration;

use super::connection::Keyed;
use crate::serve::ServiceOptions;
use crate::{Disk, Hub, HubOptions, Now};

#[test]
fn a_client_whose_password_waits_is_not_late() {
    let name = format!("switchboard-late-{}.redb", std::process::id());
    let path = std::env::temp_dir().join(name);
    let options = HubOptions::default();
    let disk = Disk::open(&path, &options).unwrap();
    let (hub, now) = (Hub::new(options, disk), Now::read());
    let hello = br#"{"type":"hello","nick":"ann","password":"correct horse"}"#;
    // These are checked before.
    let mut others: Vec<_> = (0..16).map(|_| hub.connect(now)).collect();
    for other in &mut others {
        other.receive(hello, now);
    }
    let keyed = Keyed::new(hub.connect(now), now.instant);
    assert!(keyed.receive(None, hello, now));
    let options = ServiceOptions::default();
    keyed.look(now.after(options.hello), &options);
    assert!(keyed.receive(None, b"", now), "it was ended");
    // One that has said nothing.
    let silent = Keyed::new(hub.connect(now), now.instant);
    silent.look(
        now.after(options.hello - Duration::from_millis(1)),
        &options,
    );
    assert!(silent.receive(None, b"", now));
    silent.look(now.after(options.hello), &options);
    assert!(!silent.receive(None, b"", now));
    drop((others, keyed, hub));
    std::fs::remove_file(path).unwrap();
}
