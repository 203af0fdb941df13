//! A site of generated pages, and what a plain walk of its links gives.

use std::collections::{BTreeMap, VecDeque};

use super::Answer;

/// Pages with links to each other, redirects, pages that are missing, and some that robots.txt excludes.
#[derive(Clone, Copy)]
pub(crate) struct Graph(pub(crate) usize);

impl Graph {
    /// What a page links to.
    fn links(self, page: usize) -> Vec<String> {
        let Graph(pages) = self;
        let mut links = Vec::new();
        for child in [page * 2 + 1, page * 2 + 2, page * 7 % pages] {
            if child < pages {
                links.push(format!("/p/{child}"));
            }
        }
        if page.is_multiple_of(5) {
            links.push(format!("/r/{page}"));
        }
        if page.is_multiple_of(7) {
            links.push(format!("/missing/{page}"));
        }
        if page.is_multiple_of(11) {
            links.push(format!("/private/{page}"));
        }
        links
    }

    pub(crate) fn answer(self, path: &str) -> Answer {
        if path == "/robots.txt" {
            return Answer::text("User-agent: *\nDisallow: /private/\n");
        }
        let number = |begin: &str| path.strip_prefix(begin)?.parse::<usize>().ok();
        if let Some(page) = number("/r/") {
            return Answer::moved(format!("/p/{}", (page + 3) % self.0));
        }
        let page = if path == "/" { Some(0) } else { number("/p/") };
        let Some(page) = page.filter(|page| *page < self.0) else {
            return Answer::status(404);
        };
        let links = self.links(page);
        // Each twice, and once with a fragment.
        let links: Vec<String> = links
            .iter()
            .map(|to| format!("<a href='{to}'>a</a> <a href='{to}#x'>b</a>\n"))
            .collect();
        Answer::html(format!("<title>Page {page}</title>\n{}", links.concat()))
    }

    /// Walks the links as plainly as can be. Returns the fate of each path.
    pub(crate) fn walk(self) -> BTreeMap<String, String> {
        let mut fates = BTreeMap::new();
        let mut left = VecDeque::from(["/".to_owned()]);
        while let Some(path) = left.pop_front() {
            if fates.contains_key(&path) {
                continue;
            }
            if path.starts_with("/private/") {
                fates.insert(path, "robots".to_owned());
                continue;
            }
            let answer = self.answer(&path);
            let fate = if answer.status < 400 {
                "fetched"
            } else {
                "failed"
            };
            fates.insert(path.clone(), fate.to_owned());
            let location = answer.fields.iter().find(|(name, _)| *name == "location");
            left.extend(location.map(|(_, to)| to.clone()));
            let page = if path == "/" {
                Some(0)
            } else {
                path.strip_prefix("/p/").map(|it| it.parse().unwrap())
            };
            left.extend(page.map(|page| self.links(page)).unwrap_or_default());
        }
        fates
    }

    /// What of this walk was asked for, so that outputs have a row of it.
    pub(crate) fn rows(self) -> BTreeMap<String, String> {
        let mut fates = self.walk();
        fates.retain(|_, fate| fate != "robots");
        fates
    }
}
