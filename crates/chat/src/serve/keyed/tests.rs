//! Looks at connections while something is decided.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use switchboard_runtime::Model;

use super::connection::Keyed;
use crate::accounts::held;
use crate::serve::ServiceOptions;
use crate::{Hub, HubOptions, InMemory, Now};

#[test]
fn a_client_whose_password_waits_is_not_late() {
    let ((hub, held), now) = (held::hub(), Now::read());
    let keyed = Arc::new(Keyed::new(hub.connect(now), now.instant));
    let hello = format!(
        r#"{{"type":"hello","nick":"ann","password":"{}"}}"#,
        held::PASSWORD
    );
    assert!(keyed.receive(None, hello.as_bytes(), now));
    let options = ServiceOptions::default();
    keyed.look(now.after(options.hello), &options);
    assert!(keyed.receive(None, b"", now), "it was ended");
    drop(held);
    // The password is checked only now.
    let Ok(mut reader) = keyed.read(0) else {
        panic!("nothing was read before");
    };
    let next = Model::Blocking.run(poll_fn(|context| reader.poll_next(context)));
    let batch = next.unwrap();
    assert!(batch.end.is_none(), "{:?}", batch.end);
    let welcome = batch.parcels[0].json();
    assert!(welcome.starts_with(br#"{"type":"welcome","nick":"ann""#));
}

#[test]
fn a_client_that_says_nothing_is_late() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let silent = Keyed::new(hub.connect(now), now.instant);
    let options = ServiceOptions::default();
    let before = options.hello - Duration::from_millis(1);
    silent.look(now.after(before), &options);
    assert!(silent.receive(None, b"", now));
    silent.look(now.after(options.hello), &options);
    assert!(!silent.receive(None, b"", now));
}
