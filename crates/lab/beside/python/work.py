"""The work that every script does, and how its cost is printed: one line of JSON."""

import json
import resource
import sys
import time
import urllib.request

PAGES_TIMEOUT = 60
BASE, EXPONENT = 7777, 200_000


def fetch(url):
    """Fetches a page with the standard library, which blocks."""
    with urllib.request.urlopen(url, timeout=PAGES_TIMEOUT) as answer:
        body = answer.read()
    if not body:
        raise SystemExit(f"{url}: an empty page")


def job_of_io(site, pages, job):
    for page in range(pages):
        fetch(f"{site}/page/{job * pages + page}")


def job_of_cpu(_job=0):
    # The number itself stays here: what is measured is computing it.
    return (BASE**EXPONENT).bit_length()


def arguments():
    """Returns the workload, the jobs, the pages of each and the site."""
    workload, jobs, pages, site = sys.argv[1:5]
    return workload, int(jobs), int(pages), site


def check(found):
    if any(bits != found[0] for bits in found) or not found:
        raise SystemExit("a wrong result")


def used():
    """Returns the processor time of this process and of its children that have ended."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, both))


def begin():
    """Returns the time and the processor time at the begin of the work, for `report`."""
    return time.monotonic(), used()


def report(start):
    """Prints what it took since `start`."""
    wall, cpu = time.monotonic() - start[0], used() - start[1]
    mine = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_rss_bytes": mine.ru_maxrss * 1024}))
