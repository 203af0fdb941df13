//! robots.txt, which is asked for before the first page of a host.

use std::time::Instant;

use super::Keeper;
use super::batch::{Found, Rulebook};
use super::host::Rules;
use crate::address::Address;
use crate::job::{End, RobotsTask, Task};
use crate::robots::Robots;

impl Keeper {
    /// Takes the end of a request for robots.txt, which was sent to host `asked`.
    pub(super) fn robots_ended(
        &mut self,
        asked: u32,
        mut task: RobotsTask,
        end: End,
    ) -> Result<(), redb::Error> {
        task.tries = task.tries.saturating_add(1);
        if self.judge(asked, &end) && task.tries <= self.settings.retries {
            self.wait_again(asked, Task::Robots(task));
            return Ok(());
        }
        let agent = &self.settings.user_agent;
        let is_answered = !matches!(end, End::Failed { .. });
        let robots = match end {
            // What asks for fewer requests says nothing of what is allowed.
            End::Answered { status: 429, .. } => Robots::unreachable(),
            End::Answered { status, text, .. } => {
                let text = text.as_deref().unwrap_or_default();
                Robots::of_answer(status, text, agent)
            }
            End::Moved { to: Ok(to), .. } if u32::from(task.hops) < Robots::REDIRECTS => {
                return self.follow(task, to);
            }
            End::Moved { status, .. } => Robots::of_answer(status, b"", agent),
            // A check asks for the page then, and so learns what is wrong with the host.
            End::Failed { status: 0, .. } if self.identity.check.is_some() => {
                Robots::of_answer(404, b"", agent)
            }
            End::Failed { .. } => Robots::unreachable(),
        };
        self.learn(&task, robots, is_answered);
        Ok(())
    }

    /// Follows a redirect of a robots.txt, by way of the host that it leads to.
    fn follow(&mut self, task: RobotsTask, to: Address) -> Result<(), redb::Error> {
        let name = to.origin().to_owned();
        let store = &mut self.store;
        let id = self.state.hosts.id(&name, |name| store.host(name))?;
        self.state.hosts.wake(id, &name, store)?;
        if let Some(host) = self.state.hosts.get(id) {
            host.errands.push_back(RobotsTask {
                address: to,
                hops: task.hops + 1,
                tries: 0,
                ..task
            });
        }
        self.state.hosts.list(id);
        Ok(())
    }

    /// Takes the rules of a host, which the store keeps if they are those of an answer.
    fn learn(&mut self, task: &RobotsTask, robots: Robots, is_answered: bool) {
        let text = robots.to_string();
        let sitemaps: Vec<String> = match self.identity.sitemaps {
            true => robots.sitemaps().to_vec(),
            false => Vec::new(),
        };
        let Some(host) = self.state.hosts.get(task.of) else {
            return;
        };
        if !matches!(host.rules, Rules::Asked) {
            return;
        }
        // What cannot be fetched is asked for again by the next run.
        if is_answered && robots != Robots::unreachable() {
            self.state.batch.rulebooks.push(Rulebook {
                host: task.of,
                text,
            });
        }
        host.learn(robots);
        let name = host.name.clone();
        self.state.hosts.list(task.of);
        let Ok(file) = Address::parse(&format!("{name}/robots.txt")) else {
            return;
        };
        let base = file.url();
        for sitemap in sitemaps {
            if let Ok((address, _)) = Address::join(&base, &sitemap) {
                self.state.batch.found.push(Found {
                    address,
                    parent: Some(file.clone()),
                    depth: self.state.level,
                    hops: 0,
                });
            }
        }
        self.state.batch.touch(Instant::now());
    }
}
