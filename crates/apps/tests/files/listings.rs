//! Lists of what is in a folder.

use switchboard_apps::files::FilesOptions;

use crate::{Folder, HTML, ask, each_model};

#[test]
fn folders_are_listed_as_pages_and_as_json() {
    let folder = Folder::new("listed");
    folder.write(b"plain/<b>&\"'.txt", b"");
    folder.write(b"plain/bad\xff.txt", b"");
    let files = folder.files(FilesOptions::default());
    each_model(async || {
        let json = ask(
            &files,
            "GET",
            "/plain/?sort=size&order=desc",
            &[("accept", "application/json")],
        )
        .await;
        assert_eq!(
            (json.field("content-type"), json.field("vary")),
            ("application/json", "accept")
        );
        let list: serde_json::Value = serde_json::from_str(json.text()).unwrap();
        assert_eq!(list["path"], "/plain");
        let entries = list["entries"].as_array().unwrap();
        assert_eq!(entries[0]["name"], "two.txt");
        assert_eq!(
            (&entries[0]["size"], &entries[0]["type"]),
            (&2.into(), &"file".into())
        );
        assert_eq!(entries.len(), 4, "{list}");
        // Each link leads to its file, whatever bytes its name has.
        for entry in entries {
            let href = entry["href"].as_str().unwrap().strip_prefix('.').unwrap();
            let answer = ask(&files, "HEAD", &format!("/plain{href}"), &[]).await;
            assert_eq!(answer.status, 200, "{href}");
        }
        let page = ask(
            &files,
            "GET",
            "/plain/",
            &[("accept", "text/html,*/*;q=0.8")],
        )
        .await;
        assert_eq!(page.field(HTML.0), HTML.1);
        assert!(
            page.text().contains("&lt;b&gt;&amp;&quot;"),
            "{}",
            page.text()
        );
        assert!(!page.text().contains(".three"), "{}", page.text());
        let head = ask(&files, "HEAD", "/plain/", &[]).await;
        assert_eq!(head.field("content-length"), page.body.len().to_string());
        assert!(head.body.is_empty());
    });
    let hidden = FilesOptions {
        hidden: true,
        ..FilesOptions::default()
    };
    let hidden = folder.files(hidden);
    let unlisted = FilesOptions {
        listing: false,
        ..FilesOptions::default()
    };
    let unlisted = folder.files(unlisted);
    each_model(async || {
        assert!(
            ask(&hidden, "GET", "/plain/", &[])
                .await
                .text()
                .contains(".three")
        );
        assert_eq!(ask(&hidden, "GET", "/.env", &[]).await.text(), "secret");
        let answer = ask(&unlisted, "GET", "/plain/", &[]).await;
        assert_eq!(
            (answer.status, answer.text()),
            (403, "this folder is not listed\n")
        );
    });
}
