//! CSS selectors, and the first element of a page that one selects.
//!
//! ```text
//!   page ─► html5gum's tokens ─► tree (`tree`)        selector ─► parts and what stands between them (`parse`)
//!                                  │                                  │
//!                                  └─────► each element in turn: which parts end here? ◄┘
//! ```

mod parse;
mod part;
mod tree;

use self::part::Part;
use self::tree::Tree;

/// A selector: alternatives, each of which is a sequence of parts.
pub(in crate::fetch) struct Selector {
    alternatives: Vec<Vec<Step>>,
}

/// A part of a selector, and where the element of the part before it is.
struct Step {
    relation: Relation,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// There is no part before it.
    First,
    /// Around the element, at any distance.
    Ancestor,
    Parent,
    /// Right before the element, among those of the same parent.
    Previous,
    /// Anywhere before the element, among those of the same parent.
    Earlier,
}

/// Of each part of an alternative, whether the parts up to it select an element; the first is the lowest bit.
type Ends = u64;

/// The most parts of an alternative.
const MAX_PARTS: usize = Ends::BITS as usize;

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// What is wrong, or is not supported, in a few words.
    pub(in crate::fetch) fn parse(text: &str) -> Result<Selector, String> {
        let alternatives = parse::alternatives(text)?;
        Ok(Selector { alternatives })
    }

    /// Returns the text of the first element that is selected, or its `attribute`; then elements without it do not
    /// count.
    pub(in crate::fetch) fn first(&self, html: &str, attribute: Option<&str>) -> Option<String> {
        let tree = Tree::parse(html);
        let mut selected = self.selected(&tree);
        match attribute {
            None => selected.next().map(|element| tree.text(element)),
            Some(name) => selected.find_map(|element| {
                let value = tree.elements[element].attribute(name);
                value.map(str::to_owned)
            }),
        }
    }

    /// Returns the elements that are selected, in the order of the page.
    fn selected(&self, tree: &Tree) -> impl Iterator<Item = usize> {
        let mut selected: Vec<usize> = Vec::new();
        for steps in &self.alternatives {
            selected.extend(select(steps, tree));
        }
        selected.sort_unstable();
        selected.into_iter()
    }
}

/// Returns the elements that one alternative selects. Looks at each element once, whatever the page nests.
fn select(steps: &[Step], tree: &Tree) -> Vec<usize> {
    let mut own: Vec<Ends> = Vec::with_capacity(tree.elements.len());
    // What ends at any ancestor, and at any earlier element of the same parent.
    let (mut around, mut earlier) = (own.clone(), own.clone());
    let mut selected = Vec::new();
    for (at, element) in tree.elements.iter().enumerate() {
        let parent = element.parent.map_or(0, |it| own[it]);
        let previous = element.previous.map_or(0, |it| own[it]);
        around.push(element.parent.map_or(0, |it| own[it] | around[it]));
        earlier.push(element.previous.map_or(0, |it| own[it] | earlier[it]));
        let mut ends: Ends = 0;
        for (n, step) in steps.iter().enumerate() {
            let before = match step.relation {
                Relation::First => Ends::MAX,
                Relation::Ancestor => around[at],
                Relation::Parent => parent,
                Relation::Previous => previous,
                Relation::Earlier => earlier[at],
            };
            let goes_on = n == 0 || before & (1 << (n - 1)) != 0;
            if goes_on && step.part.matches(element) {
                ends |= 1 << n;
            }
        }
        own.push(ends);
        if ends & (1 << (steps.len() - 1)) != 0 {
            selected.push(at);
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!doctype html><html lang=en-GB><head><title>A  <b>title</title>\
        <meta name=description content='What it is'><script>'<p class=x>no</p>'</script></head>\
        <body id=top><h1 class='big  title'>One\n two</h1><p>first<p class=x>second <b>bold</b> end\
        <ul><li>a<li class='x y'>b <a href=/b>link</a><li>c</ul>\
        <table><tr><td>1<td>2<tr><td>3</table><DIV ID=Low data-a='x y' data-b=x-y>low<br>er<div>in</div></DIV>\
        <p title='&lt;é'>last&nbsp;one<style>p {}</style></body></html>";

    #[track_caller]
    fn assert_selects(selector: &str, expected: Option<&str>) {
        let parsed = Selector::parse(selector).unwrap_or_else(|why| panic!("{selector}: {why}"));
        assert_eq!(parsed.first(PAGE, None).as_deref(), expected, "{selector}");
    }

    #[test]
    fn the_first_element_is_found() {
        for (selector, expected) in [
            ("title", "A <b>title"),
            ("h1", "One two"),
            ("H1", "One two"),
            (".title", "One two"),
            (".big.title", "One two"),
            ("h1.big", "One two"),
            ("p", "first"),
            (".x", "second bold end"),
            ("p.x b", "bold"),
            ("li.x", "b link"),
            ("li > a", "link"),
            ("ul>li+li", "b link"),
            ("li.x ~ li", "c"),
            ("li:first-child", "a"),
            ("li:last-child", "c"),
            ("li:nth-child(2)", "b link"),
            ("li:nth-child(odd):not(:first-child)", "c"),
            ("li:nth-child( 2n + 2 )", "b link"),
            ("li:nth-child(-n+1)", "a"),
            ("li:not(.x, :last-child)", "a"),
            ("tr + tr td", "3"),
            ("td + td", "2"),
            ("#Low", "low er in"),
            ("div div", "in"),
            ("[data-a]", "low er in"),
            ("[data-a~=y]", "low er in"),
            ("[data-a='x y']", "low er in"),
            ("[data-a=\"X Y\" i]", "low er in"),
            ("[data-b|=x]", "low er in"),
            ("[data-a^=x][data-a$=y][data-a*=' ']", "low er in"),
            ("[DATA-A]", "low er in"),
            ("html[lang|=en] > body#top > p:nth-child(2)", "first"),
            ("p[title='<é']", "last\u{a0}one"),
            ("script", "'<p class=x>no</p>'"),
            ("nothing, b", "bold"),
            ("b, h1", "One two"),
            ("body *", "One two"),
            ("#\\4c ow", "low er in"),
            ("#\\L\\ow", "low er in"),
            ("ul /* of things */ a", "link"),
        ] {
            assert_selects(selector, Some(expected));
        }
        for selector in [
            "#low",
            ".X",
            "h2",
            "li > b",
            "a b",
            "[data-a=x]",
            "[data-a^='']",
            "script p",
        ] {
            assert_selects(selector, None);
        }
    }

    #[test]
    fn attributes_are_found() {
        let first = |selector, name| Selector::parse(selector).unwrap().first(PAGE, Some(name));
        assert_eq!(
            first("meta[name=description]", "content").as_deref(),
            Some("What it is")
        );
        assert_eq!(first("a", "HREF").as_deref(), Some("/b"));
        assert_eq!(first("p", "title").as_deref(), Some("<é"));
        assert_eq!(first("p", "href"), None);
    }

    #[test]
    fn what_is_wrong_or_not_supported_is_said() {
        for (selector, why) in [
            ("", "it is empty"),
            ("a,", "it is empty behind a comma"),
            ("a >", "a part is missing at the end"),
            ("> a", "a part is missing before `>`"),
            ("a > > b", "a part is missing before `>`"),
            ("a..b", "a name is missing at `.b`"),
            ("[a", "`[` has no `]`"),
            ("[a='b]", "a quote has no end"),
            ("[a!=b]", "`!=b]`"),
            (":hover", "`:hover` is not supported"),
            ("p::before", "`::before` is not supported"),
            (":nth-child(x)", "`:nth-child(x)`"),
            (":nth-child(2", "`(` has no `)`"),
            (":not(a b)", "`:not` takes no"),
            ("a|b", "`|b`"),
        ] {
            let error = Selector::parse(selector).err().unwrap_or_default();
            assert!(error.contains(why), "{selector:?}: {error:?}");
        }
        let long = ["a"; MAX_PARTS].join(" ");
        assert!(Selector::parse(&long).is_ok());
        assert!(Selector::parse(&(long + " a")).is_err());
    }

    #[test]
    fn any_page_and_selector_are_read() {
        let mut rng = fastrand::Rng::with_seed(5);
        let pieces = [
            "<p>",
            "<a href='x' ",
            "</p>",
            "<table>",
            "<td",
            ">",
            "<li>",
            "</ul>",
            "<ul>",
            "<!--",
            "text",
            "<script>",
            "</script>",
            "<svg>",
            "<g/>",
            "</svg>",
            "<br>",
            "\0",
            "&amp;",
        ];
        let marks = [
            "a", "p", ".", "#", "[", "]", "=", "'", " ", ">", "+", "~", ":not(", ")", ",", "*",
            "\\", "n", ":",
        ];
        for _ in 0..5_000 {
            let page: String = (0..rng.usize(..20))
                .map(|_| *rng.choice(&pieces).unwrap())
                .collect();
            let text: String = (0..rng.usize(..8))
                .map(|_| *rng.choice(&marks).unwrap())
                .collect();
            if let Ok(selector) = Selector::parse(&text) {
                selector.first(&page, None);
            }
        }
    }

    #[test]
    fn a_page_that_nests_deeply_takes_no_longer() {
        let page = "<div>".repeat(200_000) + "<a>found";
        let selector = ["div"; 30].join(" ") + " > b, a";
        assert_eq!(
            Selector::parse(&selector)
                .unwrap()
                .first(&page, None)
                .as_deref(),
            Some("found")
        );
    }
}
