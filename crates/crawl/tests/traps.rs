//! What is a trap and what is not: tables of addresses, and sites that go on for ever.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use switchboard_crawl::Address;
use switchboard_crawl::traps::{Limits, Trap, Traps};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Addresses that are a trap by themselves, and its name.
const BAD: &[(&str, &str)] = &[
    ("http://a.example/a/b/a/b/a/b", "repeated-path"),
    ("http://a.example/x/a/b/a/b/a/b/", "repeated-path"),
    ("http://a.example/a/b/c/a/b/c/a/b/c/d.html", "repeated-path"),
    ("http://a.example/about/about/about/about/", "repeated-path"),
    ("http://a.example//a//a//a//a", "repeated-path"),
    ("http://a.example/img/1/img/1/img/1/x.png", "repeated-path"),
    (
        "http://a.example/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y",
        "deep-path",
    ),
    ("http://a.example/?q=&q=&q=", "repeated-parameter"),
    (
        "http://a.example/s?lang=de&q=1&lang=de&lang=de",
        "repeated-parameter",
    ),
    ("http://a.example/s?a&a&a", "repeated-parameter"),
];

/// Addresses that are none, as sites have them.
const GOOD: &[&str] = &[
    // The standard library of Rust.
    "http://127.0.0.1/std/index.html",
    "http://127.0.0.1/std/vec/struct.Vec.html#method.push",
    "http://127.0.0.1/std/vec/struct.Vec.html?search=vec",
    "http://127.0.0.1/core/core_arch/x86/fn._mm512_mask_cvt_roundepi32_ps.html",
    "http://127.0.0.1/core/iter/traits/iterator/trait.Iterator.html",
    "http://127.0.0.1/core/core_arch/arm_shared/neon/generated/fn.vabs_s8.html",
    "http://127.0.0.1/std/iter/iter/iter.html",
    "http://127.0.0.1/src/core/stdarch/crates/core_arch/src/x86/avx512f.rs.html",
    "http://127.0.0.1/src/alloc/collections/btree/map/entry.rs.html",
    "http://127.0.0.1/book/ch03-02-data-types.html",
    "http://127.0.0.1/book/second-edition/ch20-06-graceful-shutdown-and-cleanup.html",
    "http://127.0.0.1/edition-guide/rust-2021/disjoint-capture-in-closures.html",
    "http://127.0.0.1/error_codes/E0001.html",
    "http://127.0.0.1/rustc/platform-support/aarch64-unknown-none.html",
    // C++ reference.
    "http://127.0.0.1/reference/en/cpp/container/vector/vector.html",
    "http://127.0.0.1/reference/en/cpp/container/unordered_map/unordered_map.html",
    "http://127.0.0.1/reference/en/cpp/experimental/parallelism/existing.html",
    "http://127.0.0.1/reference/en/cpp/string/basic_string/operator%2B.html",
    "http://127.0.0.1/reference/en/c/numeric/math/fma.html",
    "http://127.0.0.1/w/index.php?title=Special:RecentChangesLinked&target=cpp%2Fcontainer%2Fvector",
    "http://127.0.0.1/w/index.php?title=Main_Page&action=edit&oldid=138900",
    // Django.
    "http://127.0.0.1/ref/contrib/gis/gdal.html",
    "http://127.0.0.1/releases/1.11.29.html",
    "http://127.0.0.1/releases/4.2.1.html",
    "http://127.0.0.1/_modules/django/contrib/auth/management/commands/createsuperuser.html",
    "http://127.0.0.1/en/5.0/topics/class-based-views/generic-display/",
    "http://127.0.0.1/search.html?q=model&check_keywords=yes&area=default",
    "http://127.0.0.1/intro/tutorial01.html",
    // Git, Java, SQLite, Debian.
    "http://127.0.0.1/git-rev-parse.html",
    "http://127.0.0.1/docs/api/java.base/java/util/concurrent/atomic/AtomicIntegerFieldUpdater.html",
    "http://127.0.0.1/javadoc/org/apache/commons/lang3/concurrent/locks/class-use/LockingVisitors.html",
    "http://127.0.0.1/c3ref/c_abort.html",
    "http://127.0.0.1/src/info/2024-01-02T03:04:05",
    "http://127.0.0.1/debian-reference/ch01.en.html",
    "http://127.0.0.1/project/blob/main/src/main/java/com/example/project/project/impl/Main.java",
    "http://127.0.0.1/project/tree/master/test/test/data/data/a/b",
    // News, shops, forums, wikis.
    "https://news.example/2024/05/17/title-of-the-day",
    "https://news.example/world/2024/may/17/another-title",
    "https://news.example/11/11/11/armistice",
    "https://shop.example/c/shoes?color=red&color=blue&color=green&size=42&size=43",
    "https://shop.example/c/shoes?price[]=10&price[]=10",
    "https://shop.example/product/1234567890",
    "https://forum.example/viewtopic.php?f=12&t=34567&start=50",
    "https://forum.example/t/a-title/1234/5",
    "https://wiki.example/wiki/Talk:Main/Archive/1/1/1/1",
    "https://maps.example/tile/12/12/12/12.png",
    "https://a.example/en/en/index.html",
    "https://a.example/de/news/news/news/1",
    "https://a.example/?url=https://b.example/a/b/a/b/a/b",
    "https://a.example/?sid=short",
    "https://a.example/?side=12345678901234567890",
    "https://a.example/sid=0123456789abcdef",
    "https://a.example/",
    "https://a.example/?a&b&c",
];

#[test]
fn an_address_alone_can_be_a_trap() {
    for &(text, name) in BAD {
        let trap = Traps::new(Limits::default()).look(&address(text), 0);
        let trap = trap.unwrap_or_else(|| panic!("{text} is a trap"));
        assert_eq!(trap.name(), name, "{text}: {trap}");
    }
}

#[test]
fn addresses_of_real_sites_are_none() {
    let mut traps = Traps::new(Limits::default());
    for text in GOOD {
        let trap = traps.look(&address(text), 0);
        assert_eq!(trap, None, "{text}");
    }
}

#[test]
fn redirects_have_a_limit() {
    let mut traps = Traps::new(Limits::default());
    assert_eq!(traps.look(&address("http://a.example/1"), 20), None);
    let trap = traps.look(&address("http://a.example/2"), 21).unwrap();
    assert_eq!(trap, Trap::Redirects(20));
    assert_eq!(
        trap.to_string(),
        "more than 20 redirects in a row lead here"
    );
}

#[test]
fn a_page_of_another_session_is_fetched_once() {
    let pairs = [
        ("/a?sid=1234567890&x=1", "/a?sid=0987654321&x=1"),
        ("/b?x=1&PHPSESSID=a1b2c3d4e5", "/b?x=1&PHPSESSID=ffffffff0"),
        (
            "/c;jsessionid=A1B2C3D4E5?x=1",
            "/c;jsessionid=0000000000?x=1",
        ),
        (
            "/d?CFID=12345678&CFTOKEN=87654321",
            "/d?CFID=11111111&CFTOKEN=22222222",
        ),
        (
            "/e?ASPSESSIONIDQQRSTUVW=ABCDEF12",
            "/e?ASPSESSIONIDXXYYZZAA=ABCDEF13",
        ),
    ];
    let mut traps = Traps::new(Limits::default());
    for (first, second) in pairs {
        let mut look = |path| traps.look(&address(&format!("http://a.example{path}")), 0);
        assert_eq!(look(first), None, "{first}");
        let trap = look(second).unwrap_or_else(|| panic!("{second} is known"));
        assert_eq!(trap.name(), "session", "{second}");
    }
    // Another page with the same number, and the same page of another host.
    assert_eq!(
        traps.look(&address("http://a.example/f?sid=1234567890"), 0),
        None
    );
    assert_eq!(
        traps.look(&address("http://b.example/a?sid=1234567890&x=1"), 0),
        None
    );
}

#[test]
fn sessions_of_a_host_have_a_budget() {
    let mut traps = Traps::new(Limits {
        sessions: 3,
        ..Limits::default()
    });
    let mut look = |page| {
        traps.look(
            &address(&format!("http://a.example/{page}?sid=12345678")),
            0,
        )
    };
    assert!((0..3).all(|page| look(page).is_none()));
    assert_eq!(look(3), Some(Trap::Sessions(3)));
}

/// Crawls a site whose pages link to what `links` says, and returns the number of pages and the traps' names.
fn crawl(
    limits: Limits,
    seed: &str,
    links: impl Fn(&Address) -> Vec<String>,
) -> (usize, Vec<&'static str>) {
    let mut traps = Traps::new(limits);
    let (mut known, mut names) = (HashSet::new(), HashSet::new());
    let mut queue = VecDeque::from([address(seed)]);
    let mut pages = 0;
    while let Some(page) = queue.pop_front() {
        pages += 1;
        assert!(pages < 200_000, "{seed} has no end");
        for link in links(&page) {
            let url = page.url().join(&link).unwrap();
            // Longer ones are no address.
            let Ok(link) = Address::parse(url.as_str()) else {
                continue;
            };
            if link.as_str().len() > 2_083 || !known.insert(link.clone()) {
                continue;
            }
            match traps.look(&link, 0) {
                Some(trap) => drop(names.insert(trap.name())),
                None => queue.push_back(link),
            }
        }
    }
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    (pages, names)
}

#[test]
fn a_relative_link_that_is_everywhere_ends() {
    let links = |_: &Address| vec!["a/".to_owned()];
    assert_eq!(
        crawl(Limits::default(), "http://a.example/", links),
        (4, vec!["repeated-path"])
    );
    let links = |_: &Address| vec!["a/b/".to_owned()];
    assert_eq!(
        crawl(Limits::default(), "http://a.example/", links),
        (3, vec!["repeated-path"])
    );
}

#[test]
fn relative_links_in_every_order_end() {
    for letters in [2, 3, 5] {
        let links = |_: &Address| {
            (0..letters)
                .map(|letter| format!("{}/", "abcde".as_bytes()[letter] as char))
                .collect()
        };
        let (pages, names) = crawl(Limits::default(), "http://a.example/", links);
        // Each of the sets of letters has its budget; orders without a repetition are few.
        assert!(
            pages <= (1 << letters) * 100 + 400,
            "{letters} letters: {pages} pages"
        );
        assert!(names.contains(&"shuffled-path"), "{names:?}");
    }
}

#[test]
fn a_parameter_that_is_added_again_and_again_ends() {
    let links = |page: &Address| {
        let sign = if page.as_str().contains('?') {
            '&'
        } else {
            '?'
        };
        vec![format!("{page}{sign}q=")]
    };
    assert_eq!(
        crawl(Limits::default(), "http://a.example/s", links),
        (3, vec!["repeated-parameter"])
    );
}

fn month_after(page: &Address, write: impl Fn(u32, u32) -> String) -> Vec<String> {
    let text = page.as_str();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    let (year, month): (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
    let next = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    let last = if month == 1 {
        (year.saturating_sub(1), 12)
    } else {
        (year, month - 1)
    };
    vec![write(next.0, next.1), write(last.0, last.1)]
}

#[test]
fn calendars_end() {
    let (limits, most) = (Limits::default(), 4_000);
    let (pages, names) = crawl(limits, "http://a.example/calendar/2026/11", |page| {
        month_after(page, |year, month| {
            format!("/calendar/{year:04}/{month:02}")
        })
    });
    assert!(pages <= most + 12_200, "{pages}");
    assert_eq!(names, ["calendar"]);
    let (pages, names) = crawl(
        limits,
        "http://a.example/events?year=2026&month=11",
        |page| {
            month_after(page, |year, month| {
                format!("/events?year={year}&month={month}")
            })
        },
    );
    assert_eq!((pages, &names[..]), (most + 1, &["calendar"][..]));
}

#[test]
fn a_newspaper_and_a_forum_are_no_calendar() {
    let mut traps = Traps::new(Limits::default());
    let mut look = |text: String| assert_eq!(traps.look(&address(&text), 0), None, "{text}");
    for day in 0..20_000u32 {
        let (year, month) = (1950 + day / 360, day / 30 % 12 + 1);
        look(format!(
            "http://news.example/{year}/{month:02}/{:02}/title-{}",
            day % 30,
            letters(day)
        ));
    }
    for topic in 1_000..3_000 {
        (1..=12).for_each(|page| look(format!("http://forum.example/topic/{topic}/{page}")));
    }
}

fn letters(mut number: u32) -> String {
    let mut text = String::new();
    while number > 0 {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    text
}

#[test]
fn numbers_end() {
    let limits = Limits {
        numbers: 500,
        ..Limits::default()
    };
    let links = |page: &Address| {
        let number: u32 = page.as_str().rsplit('=').next().unwrap().parse().unwrap();
        vec![format!("/list?page={}", number + 1)]
    };
    let (pages, names) = crawl(limits, "http://a.example/list?page=1", links);
    assert_eq!((pages, &names[..]), (501, &["numbers"][..]));
}

#[test]
fn a_store_goes_on_where_it_was() {
    let limits = Limits {
        dates: 10,
        counters: 64,
        ..Limits::default()
    };
    let mut traps = Traps::new(limits);
    let mut store: BTreeMap<u64, u32> = BTreeMap::new();
    let mut verdicts: HashMap<bool, Vec<Option<Trap>>> = HashMap::new();
    for again in [false, true] {
        for number in 0..200 {
            if again && number % 3 == 0 {
                let changes = traps.changes();
                store.extend(changes.iter().copied().filter(|&(_, count)| count > 0));
                changes
                    .iter()
                    .filter(|&&(_, count)| count == 0)
                    .for_each(|(key, _)| {
                        store.remove(key);
                    });
                assert!(store.len() <= limits.counters);
                traps = Traps::stored(limits, store.clone());
            }
            let site = format!(
                "http://h{}.example/cal/2026/{}?x={number}",
                letters(number % 90),
                number % 12 + 1
            );
            verdicts
                .entry(again)
                .or_default()
                .push(traps.look(&address(&site), 0));
        }
        traps = Traps::new(limits);
        store.clear();
    }
    assert_eq!(verdicts[&false], verdicts[&true]);
}
