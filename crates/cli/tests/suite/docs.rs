//! The commands of README.md and of docs/: each exists, with each of its options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::served::run;

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().flatten();
    let mut pages: Vec<PathBuf> = docs.map(|entry| entry.path()).collect();
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    pages.push(root.join("README.md"));
    pages
}

/// Returns the commands in the shell blocks of a page, without comments and redirections, one word after another.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut in_shell = false;
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_shell = matches!(language, "sh" | "console");
            continue;
        }
        let line = line.trim().trim_start_matches("$ ");
        let line = line.split(" #").next().unwrap_or_default();
        for part in line.split(['|', ';', '&']).filter(|_| in_shell) {
            let words = part.split(['>', '<']).next().unwrap_or_default();
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let rest = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["switchboard", ..] => 1,
                ["cargo", "run", "--profile", "quick", "--", ..] => 5,
                _ => continue,
            };
            // `serve …` stands for each service.
            let words = words[rest..].iter().map(|word| match word.as_str() {
                "…" => "files".to_owned(),
                word => word.to_owned(),
            });
            commands.push(words.collect());
        }
    }
    commands
}

/// Returns the words that name a command: those before its first argument.
fn name(words: &[String]) -> Vec<&str> {
    let is_name = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let most = if words.first().is_some_and(|word| word == "serve") {
        2
    } else {
        1
    };
    let names = words.iter().map(String::as_str).take(most);
    names
        .take_while(|word| is_name(word) && !word.starts_with('-'))
        .collect()
}

#[test]
fn every_command_that_is_shown_exists_with_its_options() {
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for words in commands(&text) {
            let name = name(&words);
            let help = helps.entry(name.join(" ")).or_insert_with(|| {
                let output = run(&[&name[..], &["--help"]].concat());
                assert_eq!(
                    output.status.code(),
                    Some(0),
                    "{}: {words:?}",
                    page.display()
                );
                String::from_utf8(output.stdout).unwrap()
            });
            // The words behind `--` belong to another program.
            for word in words.iter().take_while(|word| *word != "--") {
                let word = word.trim_start_matches(['[', '(']);
                let Some(option) = word.strip_prefix("--").filter(|option| !option.is_empty())
                else {
                    continue;
                };
                let end = option.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                let option = &option[..end.unwrap_or(option.len())];
                let known = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                assert!(
                    known.into_iter().any(|word| word == format!("--{option}")),
                    "{}: `{}` has no --{option}",
                    page.display(),
                    name.join(" ")
                );
                seen += 1;
            }
        }
    }
    assert!(
        seen > 50 && helps.len() > 8,
        "{seen} options of {:?}",
        helps.keys()
    );
}

/// Returns the blocks of a page that stand behind `<!-- switchboard COMMAND -->`, with their commands.
fn recorded(text: &str) -> Vec<(Vec<String>, String)> {
    let mut blocks = Vec::new();
    for part in text.split("<!-- switchboard ").skip(1) {
        let (command, rest) = part.split_once(" -->").unwrap();
        let block = rest.trim_start().strip_prefix("```text\n");
        let block = block.unwrap_or_else(|| panic!("no block of text behind `{command}`"));
        let (block, _) = block.split_once("\n```").unwrap();
        let words = command.split_whitespace().map(str::to_owned);
        blocks.push((words.collect(), block.to_owned()));
    }
    blocks
}

#[test]
fn figures_that_are_shown_are_those_of_recorded_reports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (mut words, block) in recorded(&text) {
            for word in words.iter_mut().filter(|word| word.starts_with("docs/")) {
                *word = root.join(&word).to_str().unwrap().to_owned();
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let output = run(&words);
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(
                output.status.success() && printed.contains(&format!("{block}\n")),
                "{}: {words:?} does not print\n{block}\nbut\n{printed}",
                page.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} blocks");
}
