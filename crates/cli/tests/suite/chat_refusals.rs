//! What `switchboard chat` cannot do, and says.

use std::process::Stdio;
use std::time::Duration;

use switchboard_chat::{Now, sign};

use crate::chat_client::{Client, Folder, command, say, serve};
use crate::served::{Served, run};

const SECRET: &str = "sixteen bytes or more of it";

#[test]
fn names_are_proved_by_tokens() {
    let folder = Folder::new("tokens");
    let secret = folder.file("secret", SECRET);
    let server = serve(&["--token-secret", &secret]);
    let token = |life: u64| {
        let life = Duration::from_secs(life);
        sign(
            SECRET.as_bytes(),
            &"ann".parse().unwrap(),
            Now::read(),
            life,
        )
    };
    let file = folder.file("token", &format!("{}\n", token(3600)));
    let said = say(&server.addr, "ann", &["--token-file", &file], b"hello\n");
    assert_eq!((said.1.as_str(), said.2), ("", Some(0)));
    let mut by_variable = command(&server.addr, "ann", &[]);
    by_variable.env("SWITCHBOARD_CHAT_TOKEN", token(3600));
    let output = by_variable.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let refused: [(&str, &[&str], &str); 3] = [
        ("ann", &[], "a token is needed that proves the name"),
        (
            "ben",
            &["--token-file", &file],
            "a token is needed that proves the name",
        ),
        ("ann", &["--token", &token(0)], "the token has expired"),
    ];
    for (name, arguments, expected) in refused {
        let (out, err, status) = say(&server.addr, name, arguments, b"hello\n");
        assert_eq!((out.as_str(), status), ("", Some(1)), "{err}");
        assert!(
            err.starts_with("switchboard: the server has ended the connection: "),
            "{err}"
        );
        assert!(err.contains(expected), "{err}");
    }
    server.stop();
}

#[test]
fn a_name_with_a_password_needs_it() {
    let folder = Folder::new("password");
    let server = serve(&["--data", &folder.file("data", "")]);
    crate::chat::register(&server, "ann", "correct horse");
    let right = folder.file("right", "correct horse\n");
    let wrong = folder.file("wrong", "a wrong horse\n");
    let refused: [(&[&str], &str); 2] = [
        (&[], "the name `ann` has a password"),
        (&["--password-file", &wrong], "the password is wrong"),
    ];
    for (arguments, expected) in refused {
        let (out, err, status) = say(&server.addr, "ann", arguments, b"hello\n");
        assert_eq!((out.as_str(), status), ("", Some(1)), "{err}");
        assert!(err.contains(expected), "{err}");
    }
    let said = say(
        &server.addr,
        "ann",
        &["--password-file", &right],
        b"hello\n",
    );
    assert_eq!((said.1.as_str(), said.2), ("", Some(0)));
    let mut by_variable = command(&server.addr, "ann", &[]);
    by_variable.env("SWITCHBOARD_CHAT_PASSWORD", "correct horse");
    let output = by_variable.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.stop();
}

#[test]
fn what_cannot_be_spoken_to_is_said_at_once() {
    // Nothing listens at this port, and it is none of those that the system gives.
    let unreachable = "127.0.0.1:1";
    let echo = Served::echo(&[]);
    let pages = Served::start(&["slow-site", "--listen", "127.0.0.1:0"], None);
    let tls = serve(&["--self-signed"]);
    let refused: [(&str, &str); 4] = [
        (unreachable, "Connection refused"),
        (&echo.addr, "the server's answer is not one of HTTP"),
        (&pages.addr, "the server has answered 404"),
        (&format!("https://{}", tls.addr), "certificate"),
    ];
    for (url, expected) in refused {
        let (out, err, status) = say(url, "ann", &["--timeout", "10"], b"hello\n");
        assert_eq!((out.as_str(), status), ("", Some(1)), "{url}: {err}");
        assert!(err.starts_with("switchboard: no chat at ws"), "{err}");
        assert!(err.contains(expected), "{url}: {err}");
    }
    let url = format!("https://{}", tls.addr);
    let (out, err, status) = say(&url, "ann", &["--insecure"], b"hello\n");
    assert_eq!((err.as_str(), status), ("", Some(0)));
    assert!(out.ends_with(" #tea ann: hello\n"), "{out}");
}

#[test]
fn a_server_is_trusted_by_its_certificate() {
    let folder = Folder::new("certificate");
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let chain = folder.file("chain.pem", &made.cert.pem());
    let key = folder.file("key.pem", &made.signing_key.serialize_pem());
    let server = serve(&["--tls-cert", &chain, "--tls-key", &key]);
    let url = format!("wss://{}/", server.addr);
    let said = say(&url, "ann", &["--cacert", &chain], b"hello\n");
    assert_eq!((said.1.as_str(), said.2), ("", Some(0)));
    let (_, err, status) = say(&url, "ann", &[], b"hello\n");
    assert_eq!(status, Some(1));
    assert!(err.contains("certificate"), "{err}");
    server.stop();
}

#[test]
fn a_name_that_is_in_use_is_refused() {
    let server = serve(&[]);
    let mut ann = Client::start(&server, "ann");
    ann.say("hello");
    ann.heard();
    let (_, err, status) = say(&server.addr, "ANN", &[], b"hello\n");
    assert_eq!(status, Some(1));
    assert_eq!(
        err,
        "switchboard: the name `ANN` is in use: take another one\n"
    );
    server.stop();
}

#[test]
fn wrong_options_are_refused_before_anything_is_sent() {
    let refused: [(&[&str], &str); 6] = [
        (&["ftp://x/"], "`ftp` is no protocol of a chat"),
        (&["x", "--name", "a b"], "`a b` is no name"),
        (&["x", "--name", "ann"], "--room is missing"),
        (
            &[
                "x",
                "--name",
                "ann",
                "--room",
                "tea",
                "--token-file",
                "/nowhere",
            ],
            "--token-file /nowhere: ",
        ),
        (
            &["x", "--name", "ann", "--room", "tea", "--insecure"],
            "without TLS",
        ),
        (&["x", "--room", "tea", "--timeout", "0"], "--timeout"),
    ];
    for (arguments, expected) in refused {
        let output = run(&[&["chat"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}
