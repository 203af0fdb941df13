//! The elements of a page, as its tags are written: nothing is added or moved, and the end tags that HTML lets one leave
//! out are understood.

use std::collections::HashMap;

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// Elements that have no content.
const VOID: &[&str] = &[
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input",
    "keygen", "link", "meta", "param", "source", "track", "wbr",
];

/// Elements whose begin ends a paragraph, and around which text is apart.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "table",
    "ul",
];

/// Further elements around which text is apart.
const APART: &[&str] = &[
    "br", "caption", "dd", "dt", "li", "option", "td", "th", "tr",
];

/// Elements whose text nobody reads.
const UNREAD: &[&str] = &["script", "style", "template", "noscript"];

/// Which open elements end as another one begins, unless they are around one that holds it.
struct Rule {
    begins: &'static [&'static str],
    ended: &'static [&'static str],
    holders: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        begins: BLOCKS,
        ended: &["p"],
        holders: &["button", "td", "th", "table", "object"],
    },
    Rule {
        begins: &["li"],
        ended: &["li", "p"],
        holders: &["ul", "ol", "menu", "table"],
    },
    Rule {
        begins: &["dt", "dd"],
        ended: &["dt", "dd", "p"],
        holders: &["dl", "table"],
    },
    Rule {
        begins: &["option"],
        ended: &["option"],
        holders: &["select", "datalist"],
    },
    Rule {
        begins: &["optgroup"],
        ended: &["option", "optgroup"],
        holders: &["select"],
    },
    Rule {
        begins: &["td", "th"],
        ended: &["td", "th", "caption"],
        holders: &["tr", "table"],
    },
    Rule {
        begins: &["tr"],
        ended: &["tr", "td", "th", "caption", "colgroup"],
        holders: &["table"],
    },
    Rule {
        begins: &["tbody", "thead", "tfoot"],
        ended: &[
            "tbody", "thead", "tfoot", "tr", "td", "th", "caption", "colgroup",
        ],
        holders: &["table"],
    },
    Rule {
        begins: &["a"],
        ended: &["a"],
        holders: &["td", "th", "table", "object"],
    },
    Rule {
        begins: &["body"],
        ended: &["head"],
        holders: &[],
    },
];

/// Elements out of which no end tag of others leads.
const WALLS: &[&str] = &["table", "td", "th", "template", "object", "button"];

/// Names that rules and walls have, as bits, so that a page that nests deeply is read in no time.
const NAMES: [&str; 26] = [
    "p", "li", "dt", "dd", "option", "optgroup", "td", "th", "caption", "tr", "colgroup", "tbody",
    "thead", "tfoot", "a", "head", "button", "table", "object", "ul", "ol", "menu", "dl", "select",
    "datalist", "template",
];

fn bits(names: &[&str]) -> u32 {
    let named = NAMES
        .iter()
        .enumerate()
        .filter(|(_, name)| names.contains(name));
    named.fold(0, |bits, (n, _)| bits | 1 << n)
}

pub(super) struct Tree {
    /// In the order of the page.
    pub(super) elements: Vec<Element>,
    texts: Vec<Text>,
}

pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) parent: Option<usize>,
    /// The one before it that has the same parent.
    pub(super) previous: Option<usize>,
    /// Its place among those, from 1.
    pub(super) number: i64,
    pub(super) is_last: bool,
    /// Its texts.
    begin: usize,
    end: usize,
}

enum Text {
    Read(String),
    Unread(String),
    Apart,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        let found = all.find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    fn is(&self, names: &[&str]) -> bool {
        names.contains(&&*self.name)
    }
}

impl Tree {
    pub(super) fn parse(html: &str) -> Tree {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut builder = Builder {
            tree: Tree {
                elements: Vec::new(),
                texts: Vec::new(),
            },
            open: Vec::new(),
            named: HashMap::new(),
            rules: RULES
                .iter()
                .map(|rule| (bits(rule.ended), bits(rule.holders)))
                .collect(),
            latest: vec![None],
            foreign: 0,
            unread: 0,
        };
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => builder.begin(tag),
                Token::EndTag(tag) => builder.end(&text(&tag.name)),
                Token::String(string) => builder.text(text(&string)),
                Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        builder.close(0);
        if let Some(Some(root)) = builder.latest.first() {
            builder.tree.elements[*root].is_last = true;
        }
        builder.tree
    }

    /// Returns the text of an element, with one space for each run of blanks, without that of scripts and styles unless it
    /// is one itself.
    pub(super) fn text(&self, element: usize) -> String {
        let element = &self.elements[element];
        let mut all = String::new();
        for text in &self.texts[element.begin..element.end] {
            match text {
                Text::Read(text) => all.push_str(text),
                Text::Unread(text) if element.is(UNREAD) => all.push_str(text),
                Text::Unread(_) => {}
                Text::Apart => all.push(' '),
            }
        }
        let words: Vec<&str> = all.split_ascii_whitespace().collect();
        words.join(" ")
    }
}

struct Builder {
    tree: Tree,
    /// The elements that have begun and not ended, and the bits of their names.
    open: Vec<(usize, u32)>,
    /// How many of these have a name.
    named: HashMap<String, usize>,
    /// What each rule ends, and what holds it.
    rules: Vec<(u32, u32)>,
    /// Of the root and of each open element, the last child so far.
    latest: Vec<Option<usize>>,
    /// How many open elements are `svg` or `math`, and how many are those whose text nobody reads.
    foreign: usize,
    unread: usize,
}

/// How many elements may be open, as in browsers; further ones are put side by side.
const MAX_DEPTH: usize = 512;

impl Builder {
    fn begin(&mut self, tag: StartTag<()>) {
        let name = text(&tag.name);
        for (n, rule) in RULES.iter().enumerate() {
            if rule.begins.contains(&&*name) {
                let (ended, holders) = self.rules[n];
                self.close_implied(ended, holders);
            }
        }
        if self.open.len() == MAX_DEPTH {
            self.close(MAX_DEPTH - 1);
        }
        self.apart(&name);
        let attributes = tag
            .attributes
            .iter()
            .map(|(name, value)| (text(name), text(value)));
        let previous = self.latest.last().copied().flatten();
        let texts = self.tree.texts.len();
        let at = self.tree.elements.len();
        let is_foreign = is_foreign(&name);
        let is_empty = match self.foreign > 0 || is_foreign {
            true => tag.self_closing,
            false => VOID.contains(&&*name),
        };
        self.tree.elements.push(Element {
            attributes: attributes.collect(),
            parent: self.open.last().map(|(at, _)| *at),
            previous,
            number: previous.map_or(1, |it| self.tree.elements[it].number + 1),
            is_last: false,
            begin: texts,
            end: texts,
            name,
        });
        if let Some(latest) = self.latest.last_mut() {
            *latest = Some(at);
        }
        if !is_empty {
            self.foreign += usize::from(is_foreign);
            self.unread += usize::from(self.tree.elements[at].is(UNREAD));
            let name = &self.tree.elements[at].name;
            self.open.push((at, bits(&[name])));
            *self.named.entry(name.clone()).or_default() += 1;
            self.latest.push(None);
        }
    }

    fn end(&mut self, name: &str) {
        let walls = match name {
            "table" => 0,
            "tbody" | "thead" | "tfoot" | "tr" => bits(&["table"]),
            _ => bits(WALLS),
        };
        let is_named = |at: usize| self.tree.elements[at].name == name;
        let ends = |(at, bits): &(usize, u32)| bits & walls != 0 || is_named(*at);
        if self.named.get(name).is_some_and(|open| *open > 0)
            && let Some(depth) = self.open.iter().rposition(ends)
            && is_named(self.open[depth].0)
        {
            self.close(depth);
        }
        self.apart(name);
    }

    /// Ends the outermost of the open elements with these names that is not around a holder.
    fn close_implied(&mut self, ended: u32, holders: u32) {
        let holder = self.open.iter().rposition(|(_, bits)| bits & holders != 0);
        let inner = holder.map_or(0, |depth| depth + 1);
        let found = self.open[inner..]
            .iter()
            .position(|(_, bits)| bits & ended != 0);
        if let Some(found) = found {
            self.close(inner + found);
        }
    }

    /// Ends the open elements from one on.
    fn close(&mut self, depth: usize) {
        let end = self.tree.texts.len();
        for (at, _) in self.open.drain(depth..) {
            let element = &mut self.tree.elements[at];
            element.end = end;
            self.foreign -= usize::from(is_foreign(&element.name));
            self.unread -= usize::from(element.is(UNREAD));
            if let Some(open) = self.named.get_mut(&element.name) {
                *open -= 1;
            }
        }
        for latest in self.latest.drain(depth + 1..).flatten() {
            self.tree.elements[latest].is_last = true;
        }
    }

    fn text(&mut self, text: String) {
        self.tree.texts.push(match self.unread {
            0 => Text::Read(text),
            _ => Text::Unread(text),
        });
    }

    fn apart(&mut self, name: &str) {
        if BLOCKS.contains(&name) || APART.contains(&name) {
            self.tree.texts.push(Text::Apart);
        }
    }
}

fn is_foreign(name: &str) -> bool {
    matches!(name, "svg" | "math")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
