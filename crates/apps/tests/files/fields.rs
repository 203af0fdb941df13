//! Fields that options add, and users who must give a password.

use std::sync::Arc;

use switchboard_apps::access::{Access, Format};
use switchboard_apps::files::FilesOptions;
use switchboard_http::{Body, Request};

use crate::{Folder, NO_FILE, Row, ask, check, each_model};

#[test]
fn extra_fields_and_other_origins() {
    let folder = Folder::new("fields");
    let mut options = FilesOptions {
        cors: Some("*".parse().unwrap()),
        cache_control: Some("max-age=60".parse().unwrap()),
        ..FilesOptions::default()
    };
    for field in [
        "X-Frame-Options: DENY",
        "Link: <a>",
        "link: <b>",
        "Content-Type: text/x",
    ] {
        options.header(field).unwrap();
    }
    for wrong in [
        "none",
        "a b: c",
        "x: \u{1}",
        "Content-Length: 1",
        "transfer-encoding: chunked",
    ] {
        assert!(options.header(wrong).unwrap_err().contains(wrong));
    }
    let files = folder.files(options);
    let always = [
        ("x-frame-options", "DENY"),
        ("access-control-allow-origin", "*"),
    ];
    each_model(async || {
        let preflight = ("access-control-request-method", "GET");
        let rows: &[Row<'_>] = &[
            (
                "GET",
                "/a.txt",
                &[],
                200,
                &[always[0], always[1], ("cache-control", "max-age=60")],
                "0123456789",
            ),
            (
                "GET",
                "/none",
                &[],
                404,
                &[always[0], always[1], ("cache-control", "")],
                NO_FILE,
            ),
            (
                "OPTIONS",
                "/a.txt",
                &[preflight],
                204,
                &[("access-control-allow-methods", "GET, HEAD, OPTIONS")],
                "",
            ),
            (
                "OPTIONS",
                "/a.txt",
                &[],
                204,
                &[("access-control-allow-methods", "")],
                "",
            ),
        ];
        check(&files, rows).await;
        let answer = ask(&files, "GET", "/a.txt", &[]).await;
        assert_eq!(answer.field("content-type"), "text/x");
        let links: Vec<_> = answer.headers.get_all("link").iter().collect();
        assert_eq!(links, ["<a>", "<b>"]);
    });
}

#[test]
fn files_for_users_alone() {
    let folder = Folder::new("users");
    // The password is `secret`.
    let users = "# staff\nanna:$2y$05$mJrBo37sMc6DM/cwkTHDBuTxetDhzYcEBFt7eLRtbuvnXdRI8DetG\n";
    let options = FilesOptions {
        users: Some(Arc::new(users.parse().unwrap())),
        cors: Some("*".parse().unwrap()),
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let asked = &[(
        "www-authenticate",
        "Basic realm=\"files\", charset=\"UTF-8\"",
    )][..];
    let refused = "a name and a password are needed\n";
    // anna:secret, anna:wrong, bert:secret, and the first without a colon.
    let [right, wrong, other, none] = [
        "Basic YW5uYTpzZWNyZXQ=",
        "Basic YW5uYTp3cm9uZw==",
        "Basic YmVydDpzZWNyZXQ=",
        "Basic YW5uYQ==",
    ];
    let with = |field| [("authorization", field)];
    each_model(async || {
        let rows: &[Row<'_>] = &[
            ("GET", "/a.txt", &[], 401, asked, refused),
            ("GET", "/none", &[], 401, asked, refused),
            ("GET", "/a.txt", &with(wrong), 401, asked, refused),
            ("GET", "/a.txt", &with(other), 401, asked, refused),
            ("GET", "/a.txt", &with(none), 401, asked, refused),
            ("GET", "/a.txt", &with("Bearer x"), 401, asked, refused),
            ("GET", "/a.txt", &with(right), 200, &[], "0123456789"),
            ("GET", "/a.txt", &with(right), 200, &[], "0123456789"),
            ("GET", "/a.txt", &with(wrong), 401, asked, refused),
            // A browser asks whether it may ask, without the password.
            (
                "OPTIONS",
                "/a.txt",
                &[("access-control-request-method", "GET")],
                204,
                &[],
                "",
            ),
        ];
        check(&files, rows).await;
        let (written, lines) = std::sync::mpsc::channel();
        let access = Access::new().log(Format::Combined, move |line| {
            drop(written.send(line.to_owned()));
        });
        // The first one may be checked, and the second one is remembered.
        for (field, begin) in [
            (right, "- - anna ["),
            (right, "- - anna ["),
            (wrong, "- - - ["),
        ] {
            let request = http::Request::get("/a.txt").header("authorization", field);
            let request: Request = request.body(Body::empty()).unwrap();
            let answer = |request| files.respond(request);
            drop(access.watch(None, request, answer).await);
            let line = lines.recv().unwrap();
            assert!(line.starts_with(begin), "{line}");
        }
    });
}
