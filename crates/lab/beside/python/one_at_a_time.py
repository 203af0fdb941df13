"""One job after another."""

start = begin()
workload, jobs, pages, site = arguments()
if workload == "io":
    for job in range(jobs):
        job_of_io(site, pages, job)
else:
    check([job_of_cpu(job) for job in range(jobs)])
report(start)
