"""A thread for each job."""

from concurrent.futures import ThreadPoolExecutor

start = begin()
workload, jobs, pages, site = arguments()
with ThreadPoolExecutor(jobs) as pool:
    if workload == "io":
        list(pool.map(lambda job: job_of_io(site, pages, job), range(jobs)))
    else:
        check(list(pool.map(job_of_cpu, range(jobs))))
report(start)
