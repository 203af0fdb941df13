use std::task::Waker;

use super::*;
use crate::update::Update;
use crate::{Hub, HubOptions, InMemory, Log, Pending};

fn converse(hub: &Hub, now: Now) -> Conversation {
    Conversation::new(hub.connect(now), &LineOptions::default(), now)
}

/// Returns what a client is sent now, and whether that is all.
fn heard(conversation: &mut Conversation) -> (String, bool) {
    let (mut context, mut lines) = (Context::from_waker(Waker::noop()), Vec::new());
    let mut is_last = false;
    while !is_last && let Poll::Ready(last) = conversation.poll_lines(&mut context, &mut lines) {
        is_last = last;
    }
    (String::from_utf8(lines).unwrap(), is_last)
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

#[test]
fn a_client_with_a_name_may_be_silent() {
    let (hub, now) = (Hub::new(HubOptions::default(), InMemory), Now::read());
    let hello = LineOptions::default().hello;
    let just_before = |limit: Duration| now.after(limit - Duration::from_millis(1));
    let (mut ann, mut other, mut silent) = (
        converse(&hub, now),
        converse(&hub, now),
        converse(&hub, now),
    );
    ann.receive(b"/name ann\n", just_before(hello));
    // A client that writes other lines has more time for a name.
    other.receive(b"/ping\n", just_before(hello));
    for conversation in [&mut ann, &mut other, &mut silent] {
        conversation.check(now.after(hello));
    }
    assert!(heard(&mut silent).0.contains("* bye 4004 "));
    assert!(!heard(&mut other).1);
    // But not for ever.
    for times in 2..=PATIENCE {
        other.receive(b"/ping\n", just_before(hello * times));
        other.check(just_before(hello * times));
    }
    assert!(!heard(&mut other).1);
    other.check(now.after(hello * PATIENCE));
    assert!(heard(&mut other).0.contains("* bye 4004 "));
    let later = now.after(hello * PATIENCE * 2);
    assert_eq!(ann.check(later), RARELY);
    ann.receive(b"/ping\n", later);
    let (lines, is_last) = heard(&mut ann);
    assert!(lines.contains("* pong\n") && !is_last, "{lines}");
}

/// Keeps nothing, and says later that it has.
struct Later(std::sync::Mutex<Vec<Pending>>);

impl Log for &'static Later {
    fn append(&self, pending: Pending) {
        self.0.lock().unwrap().push(pending);
    }
}

#[test]
fn what_is_queued_is_still_owed() {
    let later: &'static Later = Box::leak(Box::new(Later(Default::default())));
    let (hub, now) = (Hub::new(HubOptions::default(), later), Now::read());
    let mut ann = converse(&hub, now);
    ann.receive(b"/name ann\n/join tea\nhello\n/quit\n", now);
    let (room, id) = (&"tea".parse().unwrap(), None);
    ann.connection
        .outbox
        .push(&Parcel::new(&Update::Queued { room, id }));
    let (lines, is_last) = heard(&mut ann);
    assert!(lines.contains("* queued #tea: ") && !is_last, "{lines}");
    later.0.lock().unwrap().pop().unwrap().kept(1);
    let (lines, is_last) = heard(&mut ann);
    assert!(lines.contains(" <ann> hello\n") && is_last, "{lines}");
}
