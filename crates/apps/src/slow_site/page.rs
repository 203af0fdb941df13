//! The pages of a site, each computed from the seed and the page number.

use std::fmt::{self, Write};
use std::time::Duration;

use fastrand::Rng;

use crate::slow_site::latency::Latency;

/// The outcome of a request for a page. [`Site`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Status 200 and the page.
    Page,
    /// Status 404.
    NotFound,
    /// Status 500.
    Error,
    /// Status 302 to the page of this number.
    Redirect(u64),
    /// The head and half of the body, then a reset of the connection.
    Reset,
    /// The page in a hundred pieces, which take ten times its latency.
    Drip,
}

/// The settings of a site; the module lists its paths.
///
/// ```
/// use switchboard_apps::slow_site::{Outcome, Site};
///
/// let site = Site { not_found: 1.0, ..Site::default() };
/// assert_eq!(site.page("/page/7").unwrap().outcome, Outcome::NotFound);
/// assert_eq!(site.page("/page/10000"), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// The seed from which all pages are computed.
    pub seed: u64,
    /// The number of pages.
    pub pages: u64,
    /// The number of links on each page.
    pub links: u64,
    /// The time that each page takes.
    pub latency: Latency,
    /// The size of each page in bytes, approximately.
    pub size: usize,
    /// The share of pages that answer 404, from 0 to 1.
    pub not_found: f64,
    /// The share of pages that answer 500.
    pub errors: f64,
    /// The share of pages that redirect to another page.
    pub redirects: f64,
    /// The share of pages that reset the connection.
    pub resets: f64,
    /// The share of pages that come slowly, in a hundred pieces.
    pub drips: f64,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            seed: 1,
            pages: 10_000,
            links: 10,
            latency: Latency::Fixed(Duration::from_millis(250)),
            size: 2048,
            not_found: 0.0,
            errors: 0.0,
            redirects: 0.0,
            resets: 0.0,
            drips: 0.0,
        }
    }
}

/// One page, and the outcome of a request for it. [`Site`] has an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The outcome of a request.
    pub outcome: Outcome,
    /// The time before the response begins.
    pub latency: Duration,
    /// The page as HTML.
    pub body: String,
}

impl Site {
    /// Checks that there is a page, that every share is from 0 to 1, and that their sum is at most 1.
    ///
    /// # Errors
    /// One line that names the wrong setting and the allowed values.
    pub fn check(&self) -> Result<(), String> {
        let shares = [
            ("404", self.not_found),
            ("500", self.errors),
            ("redirects", self.redirects),
            ("resets", self.resets),
            ("drips", self.drips),
        ];
        if let Some((name, share)) = shares
            .iter()
            .find(|(_, share)| !(0.0..=1.0).contains(share))
        {
            return Err(format!("a share of {name} of {share}: use 0 to 1"));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 {
            return Err(format!("shares add up to {sum}: use at most 1"));
        }
        if self.pages == 0 {
            return Err("a site of no pages: use at least 1".to_owned());
        }
        Ok(())
    }

    /// Returns the page at a path; `None` if the site has none there.
    pub fn page(&self, path: &str) -> Option<Page> {
        let number = match path {
            "/" => 0,
            _ => path
                .strip_prefix("/page/")?
                .parse()
                .ok()
                .filter(|n| *n < self.pages)?,
        };
        // The factor spreads the seeds of neighbouring pages, which would draw similar numbers otherwise.
        let mut rng = Rng::with_seed(self.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.u64(..);
        let latency = self.latency.draw(&mut rng);
        let outcome = self.outcome(&mut rng);
        let body = self.body(number, &mut rng);
        Some(Page {
            outcome,
            latency,
            body,
        })
    }

    fn outcome(&self, rng: &mut Rng) -> Outcome {
        let mut at = rng.f64();
        let target = rng.u64(..self.pages);
        for (share, outcome) in [
            (self.not_found, Outcome::NotFound),
            (self.errors, Outcome::Error),
            (self.redirects, Outcome::Redirect(target)),
            (self.resets, Outcome::Reset),
            (self.drips, Outcome::Drip),
        ] {
            if at < share {
                return outcome;
            }
            at -= share;
        }
        Outcome::Page
    }

    fn body(&self, number: u64, rng: &mut Rng) -> String {
        let mut body = String::with_capacity(self.size + 256);
        let write = |body: &mut String, text: fmt::Arguments<'_>| {
            // Writing to a string never fails.
            let _ = body.write_fmt(text);
        };
        write(
            &mut body,
            format_args!(
                "<!doctype html>\n<html><head><title>Page {number}</title></head>\n<body>\n\
             <h1>Page {number}</h1>\n<p>temperature: {} C</p>\n<ul>\n",
                rng.i32(-20..40)
            ),
        );
        for _ in 0..self.links {
            let link = rng.u64(..self.pages);
            write(
                &mut body,
                format_args!("<li><a href=\"/page/{link}\">page {link}</a></li>\n"),
            );
        }
        body.push_str("</ul>\n<p>");
        while body.len() < self.size {
            for _ in 0..rng.usize(2..10) {
                body.push(rng.lowercase());
            }
            body.push(' ');
        }
        body.push_str("</p>\n</body></html>\n");
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_depends_on_seed_and_path_alone() {
        let site = Site::default();
        assert_eq!(site.page("/page/7"), site.clone().page("/page/7"));
        assert_ne!(site.page("/page/7"), site.page("/page/8"));
        let other = Site {
            seed: 2,
            ..Site::default()
        };
        assert_ne!(site.page("/page/7"), other.page("/page/7"));
        assert_eq!(site.page("/"), site.page("/page/0"));
        assert_eq!(site.page("/page/10000"), None);
        assert_eq!(site.page("/robots.txt"), None);
    }

    #[test]
    fn outcomes_occur_in_their_shares() {
        let site = Site {
            not_found: 0.05,
            errors: 0.1,
            redirects: 0.2,
            resets: 0.02,
            drips: 0.03,
            ..Site::default()
        };
        site.check().unwrap();
        let outcomes: Vec<Outcome> = (0..10_000)
            .map(|n| site.page(&format!("/page/{n}")).unwrap().outcome)
            .collect();
        let share = |is: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| is(outcome)).count() as f64 / 1e4
        };
        assert!((share(|f| *f == Outcome::NotFound) - 0.05).abs() < 0.01);
        assert!((share(|f| *f == Outcome::Error) - 0.1).abs() < 0.015);
        assert!((share(|f| matches!(f, Outcome::Redirect(_))) - 0.2).abs() < 0.02);
        assert!((share(|f| *f == Outcome::Reset) - 0.02).abs() < 0.01);
        assert!((share(|f| *f == Outcome::Page) - 0.6).abs() < 0.02);
    }

    #[test]
    fn links_lead_to_existing_pages() {
        let site = Site {
            pages: 100,
            ..Site::default()
        };
        let body = site.page("/page/42").unwrap().body;
        let links: Vec<&str> = body
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(links.len(), 10);
        assert!(links.into_iter().all(|link| site.page(link).is_some()));
    }

    #[test]
    fn half_of_the_log_normal_latencies_are_below_the_median() {
        let median = Duration::from_millis(100);
        let latency = Latency::LogNormal { median, sigma: 1.0 };
        let site = Site {
            latency,
            ..Site::default()
        };
        let below = (0..10_000)
            .filter(|n| site.page(&format!("/page/{n}")).unwrap().latency < median)
            .count();
        assert!((4700..5300).contains(&below), "{below}");
    }

    #[test]
    fn wrong_shares_are_refused() {
        let site = Site {
            errors: 0.6,
            resets: 0.6,
            ..Site::default()
        };
        assert!(site.check().unwrap_err().contains("at most 1"));
        let site = Site {
            drips: -1.0,
            ..Site::default()
        };
        assert!(site.check().unwrap_err().contains("drips"));
    }
}
