//! Which file a path names, what of it each method gets, and the one page of an application.

use switchboard_apps::files::{Files, FilesOptions};

use crate::{Folder, HTML, NO_FILE, Row, TEXT, ask, check, each_model, long};

#[test]
fn paths_methods_and_types() {
    let folder = Folder::new("paths");
    let files = folder.files(FilesOptions::default());
    let allow = ("allow", "GET, HEAD, OPTIONS");
    let rows: &[Row<'_>] = &[
        (
            "GET",
            "/a.txt",
            &[],
            200,
            &[TEXT, ("accept-ranges", "bytes"), ("vary", "")],
            "0123456789",
        ),
        ("GET", "/a.txt?v=3", &[], 200, &[TEXT], "0123456789"),
        (
            "HEAD",
            "/a.txt",
            &[],
            200,
            &[TEXT, ("content-length", "10")],
            "",
        ),
        (
            "HEAD",
            "/long.bin",
            &[],
            200,
            &[("content-length", "200000")],
            "",
        ),
        ("GET", "/empty.txt", &[], 200, &[TEXT], ""),
        (
            "GET",
            "/noext",
            &[],
            200,
            &[("content-type", "application/octet-stream")],
            "?",
        ),
        (
            "GET",
            "/with%20space%20&%20%C3%A9.txt",
            &[],
            200,
            &[TEXT],
            "space",
        ),
        ("GET", "/sub/../a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/%2e%2e/%2E./a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/sub/", &[], 200, &[HTML], "<p>sub</p>"),
        (
            "GET",
            "/sub",
            &[],
            301,
            &[("location", "./sub/")],
            "the folder is at the path with a slash\n",
        ),
        (
            "GET",
            "//sub?a=b",
            &[],
            301,
            &[("location", "./sub/?a=b")],
            "the folder is at the path with a slash\n",
        ),
        ("GET", "/a.txt/", &[], 404, &[TEXT], NO_FILE),
        ("GET", "/a.txt/b", &[], 404, &[], NO_FILE),
        ("GET", "/none", &[], 404, &[], NO_FILE),
        ("GET", "/sub%2findex.html", &[], 404, &[], NO_FILE),
        ("GET", "/a.txt%00", &[], 404, &[], NO_FILE),
        ("GET", "/.env", &[], 404, &[], NO_FILE),
        ("GET", "/%2eenv", &[], 404, &[], NO_FILE),
        ("GET", "/.well-known/security.txt", &[], 200, &[], "contact"),
        ("OPTIONS", "/a.txt", &[], 204, &[allow], ""),
        ("OPTIONS", "*", &[], 204, &[allow], ""),
        ("POST", "/a.txt", &[], 405, &[allow], "use GET or HEAD\n"),
        ("BREW", "/a.txt", &[], 405, &[allow], "use GET or HEAD\n"),
    ];
    each_model(async || {
        check(&files, rows).await;
        let too_long = format!("/{}", "x".repeat(5000));
        assert_eq!(ask(&files, "GET", &too_long, &[]).await.status, 404);
        let whole = ask(&files, "GET", "/long.bin", &[]).await;
        assert_eq!(whole.body, long());
    });
}

#[test]
fn an_application_has_its_page_at_every_path() {
    let folder = Folder::new("spa");
    folder.write(b"index.html", b"<p>app</p>");
    let options = FilesOptions {
        spa: true,
        ..FilesOptions::default()
    };
    let files = folder.files(options);
    let page = ("accept", "text/html,*/*;q=0.8");
    let rows: &[Row<'_>] = &[
        (
            "GET",
            "/user/7",
            &[],
            200,
            &[HTML, ("vary", "accept")],
            "<p>app</p>",
        ),
        ("GET", "/user/7/", &[], 200, &[HTML], "<p>app</p>"),
        (
            "HEAD",
            "/user/7",
            &[],
            200,
            &[HTML, ("content-length", "10")],
            "",
        ),
        ("GET", "/jane.doe", &[page], 200, &[HTML], "<p>app</p>"),
        (
            "GET",
            "/missing.js",
            &[("accept", "*/*")],
            404,
            &[("vary", "accept")],
            NO_FILE,
        ),
        ("GET", "/a.txt", &[], 200, &[TEXT], "0123456789"),
        ("GET", "/plain/", &[], 200, &[HTML], "<p>app</p>"),
        ("GET", "/sub/", &[], 200, &[HTML], "<p>sub</p>"),
    ];
    each_model(async || check(&files, rows).await);
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = Folder::new("none");
    let file = Files::new(folder.path(b"a.txt"), FilesOptions::default()).unwrap_err();
    assert_eq!(file.kind(), std::io::ErrorKind::NotADirectory);
    let none = Files::new(folder.path(b"nowhere"), FilesOptions::default()).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::NotFound);
}
