"""A chain of deferreds for each job, on Twisted's reactor."""

from twisted.internet import reactor
from twisted.internet.defer import DeferredList, inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.web.client import Agent, readBody


@inlineCallbacks
def io_job(agent, site, pages, job):
    for page in range(pages):
        answer = yield agent.request(b"GET", f"{site}/page/{job * pages + page}".encode())
        body = yield readBody(answer)
        if answer.code != 200 or not body:
            raise RuntimeError("no page")


def done(results):
    failed = [value for well, value in results if not well]
    if failed:
        print(failed[0].getErrorMessage(), file=sys.stderr)
    elif workload == "cpu":
        check([value for _, value in results])
    outcome.append(not failed)
    reactor.stop()


start = begin()
workload, jobs, pages, site = arguments()
outcome = []
if workload == "io":
    agent = Agent(reactor)
    work = [io_job(agent, site, pages, job) for job in range(jobs)]
else:
    work = [deferToThread(job_of_cpu, job) for job in range(jobs)]
DeferredList(work, consumeErrors=True).addCallback(done)
reactor.run()
if outcome != [True]:
    raise SystemExit(1)
report(start)
