"""A greenlet for each job, with the standard library patched."""

import gevent
from gevent import monkey

monkey.patch_all()

start = begin()
workload, jobs, pages, site = arguments()
if workload == "io":
    gevent.joinall([gevent.spawn(job_of_io, site, pages, job) for job in range(jobs)], raise_error=True)
else:
    greenlets = [gevent.spawn(job_of_cpu, job) for job in range(jobs)]
    gevent.joinall(greenlets, raise_error=True)
    check([each.value for each in greenlets])
report(start)
