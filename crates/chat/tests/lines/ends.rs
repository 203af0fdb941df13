//! How connections end, and what is told before.

use switchboard_chat::{Hub, HubOptions, InMemory, LineOptions, LineService, Now};
use switchboard_runtime as runtime;

use crate::support::file::File;
use crate::ways::{Way, stamp};
use crate::{Person, run, service, unlimited};

stamp_all! {
    a_slow_reader_is_ended_behind_a_whole_line
    a_stop_says_goodbye
    the_end_of_input_leaves_behind_all_answers
    a_name_is_free_once_its_client_has_left
    what_is_kept_later_is_answered_before_the_end
}

// They take as long as a client that leaves has time.
stamp!(@ tasks_leaving Tasks Epoll a_client_that_leaves_and_does_not_read_is_let_go);
stamp!(@ callbacks_leaving Callbacks Epoll a_client_that_leaves_and_does_not_read_is_let_go);

fn a_slow_reader_is_ended_behind_a_whole_line(way: Way) {
    let hub = Hub::new(
        HubOptions {
            outbox: 100_000,
            ..unlimited()
        },
        InMemory,
    );
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut frozen]| {
        frozen.enter("frozen").await;
        let now = Now::read();
        let mut talker = hub.connect(now);
        talker.receive(br#"{"type":"hello","nick":"talker"}"#, now);
        talker.receive(br#"{"type":"join","room":"tea"}"#, now);
        let say = format!(
            r#"{{"type":"say","room":"tea","text":"{}"}}"#,
            "x".repeat(5000)
        );
        // More than the sockets of this machine hold.
        let mut told = String::new();
        while !told.contains(r#""nick":"frozen","state":"away""#) {
            talker.receive(say.as_bytes(), now);
            let mut parcels = Vec::new();
            talker.take(usize::MAX, &mut parcels);
            told = format!("{parcels:?}");
            runtime::yield_now().await;
        }
        let heard = frozen.rest().await;
        let (lines, bye) = heard.trim_end().rsplit_once('\n').unwrap();
        assert!(bye.starts_with("* bye 4001 again=yes: slow: "), "{bye}");
        let messages: Vec<&str> = lines.lines().filter(|line| line.starts_with('#')).collect();
        assert!(!messages.is_empty());
        for (at, line) in messages.iter().enumerate() {
            assert!(line.starts_with(&format!("#tea {} ", at + 1)), "{line}");
            assert!(line.ends_with(&say[say.len() - 5000 - 2..say.len() - 2]));
        }
    });
}

/// What `nc … | less` does.
fn a_client_that_leaves_and_does_not_read_is_let_go(way: Way) {
    let options = HubOptions {
        outbox: usize::MAX,
        ..unlimited()
    };
    let hub = Hub::new(options, InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut frozen]| {
        frozen.enter("frozen").await;
        let now = Now::read();
        let mut talker = hub.connect(now);
        talker.receive(br#"{"type":"hello","nick":"talker"}"#, now);
        talker.receive(br#"{"type":"join","room":"tea"}"#, now);
        let text = "x".repeat(5000);
        let say = format!(r#"{{"type":"say","room":"tea","text":"{text}"}}"#);
        // More than the sockets of this machine hold.
        for _ in 0..1000 {
            talker.receive(say.as_bytes(), now);
        }
        runtime::yield_now().await;
        frozen.say("/quit\n").await;
        let mut told = String::new();
        while !told.contains(r#""nick":"frozen","state":"gone""#) {
            std::future::poll_fn(|context| talker.poll_ready(context)).await;
            let mut parcels = Vec::new();
            talker.take(usize::MAX, &mut parcels);
            told = format!("{parcels:?}");
        }
        let heard = frozen.rest().await;
        assert!(heard.contains("\n* bye 4001 "), "no last line");
    });
}

fn a_stop_says_goodbye(way: Way) {
    let hub = Hub::new(HubOptions::default(), InMemory);
    let service = LineService::new(hub.clone(), LineOptions::default());
    run(way, &service, async |[mut ann, mut unnamed]| {
        ann.enter("ann").await;
        unnamed.until("* hello").await;
        hub.stop();
        for person in [&mut ann, &mut unnamed] {
            let ended = person.rest().await;
            assert!(
                ended.ends_with(
                    "* bye 4000 again=yes: the server restarts: come back in a moment\n"
                ),
                "{ended}"
            );
        }
    });
}

/// What `printf … | nc -N` sends.
fn the_end_of_input_leaves_behind_all_answers(way: Way) {
    run(way, &service(unlimited()), async |[mut ann]| {
        ann.say("/name ann\n/join tea\nhello\nwithout an end").await;
        ann.stream.shutdown_write().unwrap();
        let heard = ann.rest().await;
        let lines: Vec<&str> = heard.lines().collect();
        assert!(lines[lines.len() - 3].ends_with(" <ann> hello"), "{heard}");
        assert!(
            lines[lines.len() - 2].ends_with(" <ann> without an end"),
            "{heard}"
        );
        assert_eq!(lines[lines.len() - 1], "* bye 1000 again=no: you have left");
    });
}

/// A script is run again at once.
fn a_name_is_free_once_its_client_has_left(way: Way) {
    let people = async |people: [Person; 3]| {
        for (mut robot, by_quit) in people.into_iter().zip([true, false, false]) {
            let quit = if by_quit { "/quit\n" } else { "" };
            robot.say(format!("/name robot\n/join tea\n{quit}")).await;
            if !by_quit {
                robot.stream.shutdown_write().unwrap();
            }
            let heard = robot.rest().await;
            assert!(heard.contains("* members #tea 1: robot\n"), "{heard}");
            assert!(heard.ends_with("* bye 1000 again=no: you have left\n"));
        }
    };
    run(way, &service(unlimited()), people);
}

/// A thread keeps what is said, and tells so when that is done.
fn what_is_kept_later_is_answered_before_the_end(way: Way) {
    let file = File::new();
    let service = LineService::new(file.hub(unlimited()), LineOptions::default());
    run(way, &service, async |[mut ann]| {
        ann.say("/name ann\n/join tea\nhello\n/msg ann me\n/to milk no\n/quit\n")
            .await;
        let heard = ann.rest().await;
        for part in [" <ann> hello", " <ann> me", "* told @ann offset=1"] {
            assert!(heard.contains(&format!("{part}\n")), "{part} in {heard}");
        }
        assert!(heard.ends_with("* bye 1000 again=no: you have left\n"));
    });
}
