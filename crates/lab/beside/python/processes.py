"""A process for each job of `io`, and one for each core for `cpu`."""

import multiprocessing
import os

start = begin()
workload, jobs, pages, site = arguments()
context = multiprocessing.get_context("fork")
at_once = jobs if workload == "io" else len(os.sched_getaffinity(0))
with context.Pool(at_once) as pool:
    if workload == "io":
        pool.starmap(job_of_io, [(site, pages, job) for job in range(jobs)], 1)
    else:
        check(pool.map(job_of_cpu, range(jobs), 1))
    pool.close()
    pool.join()
report(start)
