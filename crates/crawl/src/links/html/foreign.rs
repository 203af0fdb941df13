//! Which part of a page is SVG or MathML, where `style`, `script` and `title` have other content than in HTML.

/// How many elements are told apart. Deeper ones count as their parents do.
const MAX_DEPTH: usize = 32;

/// The open elements that change between HTML and the others.
#[derive(Default)]
pub(super) struct Foreign {
    open: Vec<Scope>,
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Svg,
    Math,
    /// Elements of SVG whose content is HTML.
    ForeignObject,
    Desc,
    Title,
    /// `annotation-xml` of MathML; it is HTML only with a certain encoding, and most have that.
    Annotation,
    /// `mi`, `mo`, `mn`, `ms` and `mtext`.
    MathText,
}

impl Scope {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"svg" => Scope::Svg,
            b"math" => Scope::Math,
            b"foreignobject" => Scope::ForeignObject,
            b"desc" => Scope::Desc,
            b"title" => Scope::Title,
            b"annotation-xml" => Scope::Annotation,
            b"mi" | b"mo" | b"mn" | b"ms" | b"mtext" => Scope::MathText,
            _ => return None,
        })
    }

    fn is_root(self) -> bool {
        matches!(self, Scope::Svg | Scope::Math)
    }
}

impl Foreign {
    /// Whether what comes next is SVG or MathML.
    #[inline]
    pub(super) fn is_within(&self) -> bool {
        self.open.last().is_some_and(|scope| scope.is_root())
    }

    /// Takes a start tag; returns whether its element is one of SVG or MathML.
    #[inline]
    pub(super) fn start(&mut self, name: &[u8], is_self_closing: bool) -> bool {
        if self.open.is_empty() && !matches!(name, b"svg" | b"math") {
            return false;
        }
        self.start_slowly(name, is_self_closing)
    }

    fn start_slowly(&mut self, name: &[u8], is_self_closing: bool) -> bool {
        if self.is_within() && breaks_out(name) {
            while self.is_within() {
                self.open.pop();
            }
        }
        let scope = Scope::of(name);
        let is_root = scope.is_some_and(Scope::is_root);
        let is_foreign = self.is_within() || is_root;
        let current = self.open.last().copied();
        let opens = match scope {
            Some(scope) if scope.is_root() => true,
            Some(Scope::ForeignObject | Scope::Desc | Scope::Title) => current == Some(Scope::Svg),
            Some(_) => current == Some(Scope::Math),
            None => false,
        };
        if let Some(scope) =
            scope.filter(|_| opens && !is_self_closing && self.open.len() < MAX_DEPTH)
        {
            self.open.push(scope);
        }
        is_foreign
    }

    /// Takes an end tag.
    #[inline]
    pub(super) fn end(&mut self, name: &[u8]) {
        if self.open.is_empty() {
            return;
        }
        if self.is_within() && matches!(name, b"p" | b"br") {
            while self.is_within() {
                self.open.pop();
            }
        } else if let Some(scope) = Scope::of(name)
            && let Some(at) = self.open.iter().rposition(|open| *open == scope)
        {
            self.open.truncate(at);
        }
    }
}

/// The elements of HTML before which SVG and MathML end, whether they were closed or not. `font` is none of them, though
/// it ends them with some of its attributes.
fn breaks_out(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 44] = [
        b"b",
        b"big",
        b"blockquote",
        b"body",
        b"br",
        b"center",
        b"code",
        b"dd",
        b"div",
        b"dl",
        b"dt",
        b"em",
        b"embed",
        b"h1",
        b"h2",
        b"h3",
        b"h4",
        b"h5",
        b"h6",
        b"head",
        b"hr",
        b"i",
        b"img",
        b"li",
        b"listing",
        b"menu",
        b"meta",
        b"nobr",
        b"ol",
        b"p",
        b"pre",
        b"ruby",
        b"s",
        b"small",
        b"span",
        b"strong",
        b"strike",
        b"sub",
        b"sup",
        b"table",
        b"tt",
        b"u",
        b"ul",
        b"var",
    ];
    NAMES.contains(&name)
}
