//! What people say by lines, and what they hear.

use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService, Now, Parcel};
use switchboard_runtime as runtime;

use crate::support::file::File;
use crate::ways::{Way, stamp};
use crate::{field, run, service, unlimited};

stamp_all! {
    two_people_talk
    lines_and_json_are_one_room
    a_client_that_comes_back_gets_what_it_missed
    the_inbox_goes_on_where_it_was_read
    a_name_with_a_password_is_said_with_it
    answers_that_are_not_read_stop_the_reading
}

fn two_people_talk(way: Way) {
    let service = service(unlimited());
    run(way, &service, async |[mut ann, mut ben]| {
        assert!(
            ann.until("").await.starts_with("* hello: "),
            "who comes is told how to begin"
        );
        ann.say("hello?\n").await;
        let early = ann.until("* error ").await;
        assert!(early.starts_with("* error out_of_order: "), "{early}");
        ann.enter("ann").await;
        ben.enter("ben").await;
        assert_eq!(ann.until("ben").await, "* here #tea ben members=2");
        ann.say("hello\r\n//slash\n").await;
        for person in [&mut ann, &mut ben] {
            let heard = person.until(" <ann> hello").await;
            assert!(
                heard.starts_with("#tea 1 20") && heard.ends_with("Z <ann> hello"),
                "{heard}"
            );
            person.until(" <ann> /slash").await;
        }
        ben.say("/topic green\n/who\n/history 1 2\n/rooms\n/ping 1\n")
            .await;
        assert!(
            ann.until("#tea 3")
                .await
                .ends_with(" * ben sets the topic: green")
        );
        assert_eq!(ben.until("* members").await, "* members #tea 2: ann ben");
        let history = ben.until("* history").await;
        assert!(history.ends_with(" messages=1 complete=yes"), "{history}");
        assert!(ben.until("#tea 1").await.ends_with(" <ann> hello"));
        assert_eq!(ben.until("* rooms").await, "* rooms 1: #tea(2)");
        assert_eq!(ben.until("* pong").await, "* pong 1");
        ben.say("/msg ann for you\n/to milk text\n/join milk\n/to tea from afar\n")
            .await;
        assert!(ann.until("@ann 1 ").await.ends_with(" <ben> for you"));
        ben.until("* told @ann offset=1").await;
        let outside = ben.until("* error not_a_member").await;
        assert!(
            outside.ends_with("enter #milk first, by /join milk"),
            "{outside}"
        );
        ann.until("#tea 4 ").await;
        ben.say("now in milk\n/part\n/nobody\n/quit\n").await;
        ben.until("#milk 1 ").await;
        ben.until("* left #milk").await;
        ben.until("* error unknown: there is no /nobody").await;
        assert_eq!(ben.rest().await, "* bye 1000 again=no: you have left\n");
        assert_eq!(ann.until("ben").await, "* gone #tea ben members=1");
    });
}

/// A client of another transport sees the same room.
fn lines_and_json_are_one_room(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut ann]| {
        let (now, mut parcels) = (Now::read(), Vec::<Parcel>::new());
        let mut json = hub.connect(now);
        json.receive(br#"{"type":"hello","nick":"json"}"#, now);
        json.receive(br#"{"type":"join","room":"tea"}"#, now);
        ann.enter("ann").await;
        ann.say("a line\n").await;
        ann.until(" <ann> a line").await;
        json.receive(
            br#"{"type":"say","room":"tea","text":"two\nlines \u001b[2J"}"#,
            now,
        );
        assert!(
            ann.until("#tea 2 ")
                .await
                .ends_with(" <json> two␊lines ␛[2J")
        );
        json.take(usize::MAX, &mut parcels);
        let told = format!("{parcels:?}");
        assert!(
            told.contains(r#""offset":1,"from":"ann","text":"a line""#),
            "{told}"
        );
    });
}

fn a_client_that_comes_back_gets_what_it_missed(way: Way) {
    let service = service(unlimited());
    run(
        way,
        &service,
        async |[mut ann, mut ben, mut again, mut late]| {
            let welcome = ann.enter("ann").await;
            let session = field(&welcome, "session=");
            ben.enter("ben").await;
            ben.say("/who\none\n").await;
            ben.until("* members").await;
            ann.until("#tea 1 ").await;
            // More comes than it reads, so that the end is a cut.
            ann.say("/help\n".repeat(500)).await;
            ann.stream.read(&mut [0]).await.unwrap();
            drop(ann);
            ben.until("* away #tea ann").await;
            ben.say("two\nthree\n").await;
            ben.until("#tea 3 ").await;
            ben.say("/part\n/join tea\n").await;
            let joined = ben.until("* joined").await;
            let epoch = field(&joined, "epoch=");
            again
                .say(format!("/name ann {session}\n/since tea {epoch} 1\n/who\n"))
                .await;
            let welcome = again.until("* welcome").await;
            assert!(welcome.ends_with(" resumed=yes"), "{welcome}");
            let joined = again.until("* joined #tea").await;
            assert_eq!(
                joined,
                format!("* joined #tea epoch={epoch} offset=3 recovered=yes")
            );
            again.until("* members #tea").await;
            assert!(again.until("").await.starts_with("#tea 2 "));
            assert!(again.until("").await.starts_with("#tea 3 "));
            assert_eq!(again.until("").await, "* members #tea 2: ann ben");
            // Another run of the history, of which nothing was seen.
            late.say("/name late\n/since tea 1 1\n").await;
            let joined = late.until("* joined #tea").await;
            assert!(joined.ends_with(" offset=3 recovered=no"), "{joined}");
            assert!(late.until("#tea ").await.starts_with("* members #tea 3"));
            assert!(late.until("").await.starts_with("#tea 1 "));
        },
    );
}

fn the_inbox_goes_on_where_it_was_read(way: Way) {
    run(
        way,
        &service(unlimited()),
        async |[mut ann, mut ben, mut again]| {
            let welcome = ann.enter("ann").await;
            ann.say("/msg ann zero\n").await;
            ben.enter("ben").await;
            ben.say("/msg ann one\n/msg ann two\n").await;
            ann.until("@ann 3 ").await;
            ann.say("/since @ann 1 1\n").await;
            let early = ann.until("* error out_of_order").await;
            assert!(early.ends_with("the inbox comes before /name"), "{early}");
            let epoch = field(ann.inbox.as_deref().unwrap(), "epoch=");
            let session = field(&welcome, "session=");
            again
                .say(format!("/since @ann {epoch} 2\n/name ann {session}\n"))
                .await;
            let inbox = again.until("* inbox @ann").await;
            assert!(inbox.ends_with(" offset=3 recovered=yes"), "{inbox}");
            assert!(again.until("").await.starts_with("@ann 3 "));
            // The name is the newer connection's.
            let ended = ann.rest().await;
            assert!(ended.contains("* bye 4502 again=no: "), "{ended}");
        },
    );
}

/// Gives a name a password, as a page does.
async fn register(hub: &Hub, nick: &str, password: &str) {
    let now = Now::read();
    let mut page = hub.connect(now);
    let hello = format!(r#"{{"type":"hello","nick":"{nick}"}}"#);
    page.receive(hello.as_bytes(), now);
    let register = format!(r#"{{"type":"register","password":"{password}"}}"#);
    page.receive(register.as_bytes(), now);
    let mut told = String::new();
    while !told.contains(r#""type":"registered""#) {
        std::future::poll_fn(|context| page.poll_ready(context)).await;
        let mut parcels = Vec::new();
        page.take(usize::MAX, &mut parcels);
        told += &format!("{parcels:?}");
    }
    page.quit();
}

/// The page gives a name its password, and lines ask for it.
fn a_name_with_a_password_is_said_with_it(way: Way) {
    let file = File::new();
    let hub = file.hub(unlimited());
    let service = LineService::new(hub.clone(), LineOptions::default());
    const HEX: &str = "0123456789abcdef0123456789abcdef";
    run(way, &service, async |[mut ann, mut other, mut hex]| {
        for (nick, password) in [("ann", "correct horse"), ("hex", HEX)] {
            register(&hub, nick, password).await;
        }
        other.say("/name ann\n").await;
        other.until("* error password_needed").await;
        ann.say("/name ann battery-staple\n").await;
        ann.until("* error wrong_password").await;
        ann.say("/name ann correct horse\n").await;
        let welcome = ann.until("* ").await;
        assert!(welcome.starts_with("* welcome ann session="), "{welcome}");
        // Its session has the name too.
        let session = field(&welcome, "session=");
        other.say(format!("/name ann {session}\n")).await;
        let welcome = other.until("* welcome").await;
        assert!(welcome.ends_with(" resumed=yes"), "{welcome}");
        // What looks like a session can be a password.
        hex.say(format!("/name hex {HEX}\n")).await;
        hex.until("* hello").await;
        let welcome = hex.until("* ").await;
        assert!(welcome.starts_with("* welcome hex session="), "{welcome}");
        assert!(!welcome.contains(HEX), "{welcome}");
    });
}

fn answers_that_are_not_read_stop_the_reading(way: Way) {
    const COUNT: usize = 1000;
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.enter("ann").await;
        let asking = ann.stream.clone();
        let ask = async {
            for number in 0..COUNT {
                let lines = format!("/help\n/ping {number}\n");
                asking.write_all(lines.as_bytes()).await.unwrap();
            }
            drop(asking);
        };
        let read = async {
            for number in 0..COUNT {
                let pong = ann.until("* pong").await;
                assert_eq!(pong, format!("* pong {number}"));
            }
        };
        runtime::join(ask, read).await;
    });
}
