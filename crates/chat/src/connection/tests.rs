use super::*;
use crate::accounts::held;

#[test]
fn what_waits_for_a_name_is_bounded_in_bytes() {
    let ((hub, held), now) = (held::hub(), Now::read());
    let mut ann = hub.connect(now);
    let hello = format!(
        r#"{{"type":"hello","nick":"ann","password":"{}"}}"#,
        held::PASSWORD
    );
    ann.receive(hello.as_bytes(), now);
    let text = "x".repeat(16_000);
    let say = format!(r#"{{"type":"say","room":"tea","text":"{text}"}}"#);
    for _ in 0..4 {
        ann.receive(say.as_bytes(), now);
    }
    assert_eq!(ann.take(usize::MAX, &mut Vec::new()), None);
    ann.receive(say.as_bytes(), now);
    assert_eq!(
        ann.take(usize::MAX, &mut Vec::new()),
        Some(Bye::Flood),
        "five texts wait"
    );
    drop(held);
}
