//! What a check has found out.

use std::collections::BTreeMap;

/// A link that is broken, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The page that has the link; `None` for an address that the check began with.
    pub page: Option<String>,
    /// The line in which the target begins, from 1 on; 0 without a page.
    pub line: u32,
    /// The character of the line with which the target begins, from 1 on; 0 without a page.
    pub column: u32,
    /// Where the link leads to, with its fragment; what the page has, if that is no URL.
    pub target: String,
    /// The target as the page has it, without escapes of HTML or CSS.
    pub written: String,
    /// What the link is there for: [`LinkKind::name`](crate::LinkKind::name); empty without a page.
    pub kind: &'static str,
    /// The text of the link.
    pub text: String,
    /// Why it is broken: `status 404`, for example.
    pub cause: String,
    /// The kind of the cause, which many links share.
    pub class: String,
    /// Where the target's redirects lead, in their order.
    pub redirects: Vec<String>,
    /// The pages by which the check came to this page: from where it began to the page itself.
    pub way: Vec<String>,
}

/// What a check has found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The addresses that the check began with.
    pub seeds: Vec<String>,
    /// The broken links, by page, and in the page's order.
    pub broken: Vec<Broken>,
    /// Pages of which the links were checked.
    pub pages: u64,
    /// Links of these pages, but for those with other schemes than `http` and `https`; and the addresses that the check
    /// began with, if they are broken.
    pub links: u64,
    /// Links of which nothing is known, by the reason.
    pub unchecked: BTreeMap<String, u64>,
}

impl Findings {
    /// How many links nothing is known of.
    pub fn unchecked(&self) -> u64 {
        self.unchecked.values().sum()
    }
}
