use std::task::Waker;

use super::*;
use crate::{Hub, HubOptions, InMemory};

fn converse(hub: &Hub, now: Now) -> Conversation {
    Conversation::new(hub.connect(now), &LineOptions::default(), now)
}

#[test]
fn who_leaves_and_reads_nothing_is_let_go_in_time() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let mut ann = converse(&hub, now);
    ann.receive(b"/name ann\n/join tea\n", now);
    assert_eq!(ann.check(now), RARELY);
    assert!(!ann.is_due());
    ann.receive(b"/quit\n", now);
    assert!(ann.is_due(), "the timer is told of the limit");
    assert_eq!(ann.check(now), CLOSE);
    let (mut context, mut lines) = (Context::from_waker(Waker::noop()), Vec::new());
    assert!(ann.poll_end(&mut context, &mut lines).is_pending());
    ann.check(now.after(CLOSE));
    assert!(ann.poll_end(&mut context, &mut lines).is_ready());
    assert!(lines.starts_with(b"* bye 4001 "));
    assert!(!hub.holders().has(&"ann".parse().unwrap()));
}
