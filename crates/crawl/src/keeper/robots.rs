//! robots.txt, which is asked for before the first page of a host.

use std::time::Instant;

use super::Keeper;
use super::batch::{Found, Rulebook};
use super::host::Rules;
use super::judge::Rulings;
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
        let again = self.judge(asked, &end);
        if again.is_sent(&mut task.tries, &mut task.waits, self.settings.retries) {
            self.wait_again(asked, Task::Robots(task));
            return Ok(());
        }
        let is_check = self.identity.check.is_some();
        match end.rules(task.hops, &self.settings.user_agent, is_check) {
            Rulings::Elsewhere(to) => return self.follow(task, to),
            Rulings::Are { robots, lasts } => self.learn(&task, robots, lasts),
        }
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
                waits: 0,
                ..task
            });
        }
        self.state.hosts.list(id);
        Ok(())
    }

    /// Takes the rules of a host, which the store keeps if they last.
    fn learn(&mut self, task: &RobotsTask, robots: Robots, lasts: bool) {
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
        if lasts {
            self.state.batch.rulebooks.push(Rulebook {
                host: task.of,
                text,
            });
        }
        host.learn(robots, Instant::now() + Robots::FRESH);
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
