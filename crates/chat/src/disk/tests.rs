//! A disk that fails.

use super::*;
use crate::Hub;

/// Has what is to be kept wait.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Vec<Pending>>>);

impl Log for Waiting {
    fn append(&self, pending: Pending) {
        lock(&self.0).push(pending);
    }

    fn position(&self, _: &Name) -> Option<Position> {
        Some(Position {
            epoch: 1,
            offset: 0,
        })
    }
}

#[test]
fn what_is_in_the_file_though_it_failed_is_skipped() {
    let path = std::env::temp_dir().join(format!("failed-{}.redb", std::process::id()));
    let (waiting, now) = (Waiting::default(), Now::read());
    let hub = Hub::new(HubOptions::default(), waiting.clone());
    let mut ann = hub.connect(now);
    ann.receive(br#"{"type":"hello","nick":"ann"}"#, now);
    ann.receive(br#"{"type":"join","room":"tea"}"#, now);
    let mut writer = Writer {
        path: path.clone(),
        database: None,
        places: Places::default(),
        skipped: HashMap::new(),
        options: HubOptions::default(),
    };
    let mut say = || {
        ann.receive(br#"{"type":"say","room":"tea","text":"hello"}"#, now);
        lock(&waiting.0).pop().unwrap()
    };
    drop(Disk::open(&path, &writer.options).unwrap());
    // The first one is written, and its sender is told that it failed.
    writer.write(&[say()], &[]).unwrap();
    (writer.database, writer.places) = (None, Places::default());
    let (sender, receiver) = sync_channel(1);
    sender.send(Job::Entry(say())).unwrap();
    drop(sender);
    writer.run(&receiver);
    let mut parcels = Vec::new();
    ann.take(usize::MAX, &mut parcels);
    let told = format!("{parcels:?}");
    assert!(
        told.contains(r#""type":"gap","room":"tea","from":1,"to":1"#),
        "{told}"
    );
    assert!(
        told.contains(r#""type":"message","room":"tea","offset":2"#),
        "{told}"
    );
    std::fs::remove_file(&path).unwrap();
}
