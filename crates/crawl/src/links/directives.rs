//! What `<meta name=robots>` and the field `X-Robots-Tag` ask for.

/// Two wishes of a page that a crawler may heed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `noindex` or `none`: searches shall not find the page.
    pub no_index: bool,
    /// `nofollow` or `none`: none of its links shall be followed.
    pub no_follow: bool,
}

impl Directives {
    /// Reads the `content` of a `<meta name=robots>`, or one `X-Robots-Tag` field without the name of a robot.
    ///
    /// Words are divided by commas, and their case does not matter; unknown ones are ignored.
    ///
    /// ```
    /// use switchboard_crawl::links::Directives;
    ///
    /// let directives = Directives::of("max-snippet:-1, NoFollow");
    /// assert!(directives.no_follow && !directives.no_index);
    /// ```
    pub fn of(content: &str) -> Self {
        let mut directives = Self::default();
        for word in content.split(',').map(str::trim) {
            let is_none = word.eq_ignore_ascii_case("none");
            directives.no_index |= is_none || word.eq_ignore_ascii_case("noindex");
            directives.no_follow |= is_none || word.eq_ignore_ascii_case("nofollow");
        }
        directives
    }
}
