//! robots.txt beside `protego`, the parser of Scrapy, over the real files of its tests.

#[path = "support/python.rs"]
mod python;

use std::collections::BTreeMap;

use serde_json::Value;
use switchboard_crawl::robots::Robots;

/// Why some files mean something else here, and which they are. `protego` is what Scrapy uses, and its rules are its own.
const DIFFERENT: &[(&str, &[&str])] = &[
    (
        "`Crawl-delay` does not end a list of crawlers, so the rules behind the next name are its own too (RFC 9309, 2.2.4).",
        &[
            "artofmanliness.com",
            "bitbucket.org",
            "www.ajc.com",
            "www.astro.com",
            "www.betterhealth.vic.gov.au",
            "www.blu-ray.com",
            "www.broadcom.com_443",
            "www.cafemom.com",
            "www.carters.com",
            "www.cdjapan.co.jp",
            "www.charlotteobserver.com",
            "www.congress.gov",
            "www.fanatics.com",
            "www.giant-bicycles.com",
            "www.groupon.com",
            "www.ixigo.com",
            "www.jove.com",
            "www.kansascity.com",
            "www.khaleejtimes.com",
            "www.livingsocial.com",
            "www.miamiherald.com",
            "www.mlbshop.com",
            "www.monstersandcritics.com",
            "www.nationstates.net",
            "www.newsobserver.com",
            "www.pepboys.com",
            "www.sacbee.com",
            "www.seagate.com",
            "www.tableau.com",
            "www.tennis-warehouse.com",
            "www.theregister.co.uk",
            "www.tmz.com",
        ],
    ),
    (
        "Nor does a line that is not known: `Noindex`.",
        &["hootsuite.com"],
    ),
    (
        "`Allow: /a/index.html` does not allow `/a/`: the RFC does not say so.",
        &[
            "stockcharts.com",
            "www.telstra.com.au",
            "www.toyoko-inn.com",
        ],
    ),
    (
        "`protego` counts `?` in a pattern as three bytes, `%3F`, so another pattern is the longest.",
        &[
            "inform.kz",
            "www.deu.edu.tr",
            "www.meijer.com",
            "www.thomsonreuters.com",
        ],
    ),
    (
        "The group of `bingbot/2.0` is bingbot's (2.2.1).",
        &["www.freepatentsonline.com"],
    ),
    (
        "The group of `Google` is not Googlebot's, nor is that of `bing` bingbot's: a name is compared whole.",
        &["www.mapmyrun.com", "www.santabanta.com"],
    ),
    ("It has more than 500 KiB.", &["docs.oracle.com"]),
    (
        "`/robots.txt` is allowed always, `/robots.txt?q=1` is another page.",
        &[
            "www.ameriprise.com",
            "www.brown.edu",
            "www.flhsmv.gov",
            "www.penfed.org",
        ],
    ),
];

#[test]
fn real_files_mean_what_they_mean_to_protego() {
    let folder = python::root().join("target/python/protego");
    if !folder.join("tests/test_data").is_dir() {
        return println!(
            "skip: protego: its source is not in target/python/protego, where .ci/run puts it"
        );
    }
    let Some(python) = python::python("protego", "json") else {
        return;
    };
    let answers = python::run(&python, "ask_protego.py", &[folder.to_str().unwrap()]);
    let (mut files, mut pages) = (0, 0);
    let mut differences: BTreeMap<String, String> = BTreeMap::new();
    for line in answers.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let (path, agent) = (
            answer["path"].as_str().unwrap(),
            answer["agent"].as_str().unwrap(),
        );
        let name = path.rsplit('/').next().unwrap();
        let robots = Robots::of_answer(200, &std::fs::read(path).unwrap(), agent);
        files += usize::from(agent == "switchboard");
        for page in answer["pages"].as_array().unwrap() {
            let (page, allowed) = (page[0].as_str().unwrap(), page[1].as_bool().unwrap());
            pages += 1;
            let refusal = robots.refusal(page);
            if refusal.is_none() != allowed {
                let text = format!("{page} for {agent}: protego says {allowed}, here {refusal:?}");
                differences.entry(name.to_owned()).or_insert(text);
            }
        }
    }
    println!(
        "{files} files, {pages} pages, {} files differ",
        differences.len()
    );
    assert!(
        files > 4_000 && pages > 300_000,
        "{files} files, {pages} pages"
    );
    for (reason, files) in DIFFERENT {
        for file in *files {
            assert!(
                differences.remove(*file).is_some(),
                "{file} differs no more: {reason}"
            );
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
