"""A task for each job. The standard library has no asynchronous HTTP client, so the request is written by hand."""

import asyncio
from urllib.parse import urlsplit


async def get(host, port, path):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read(-1)
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"{path}: no page")


async def io_job(pages, job):
    site = urlsplit(arguments()[3])
    for page in range(pages):
        await get(site.hostname, site.port, f"/page/{job * pages + page}")


async def cpu_job():
    # It never waits, so it holds the loop: what a coroutine that computes does.
    return job_of_cpu()


async def main(workload, jobs, pages):
    if workload == "io":
        await asyncio.gather(*(io_job(pages, job) for job in range(jobs)))
    else:
        check(await asyncio.gather(*(cpu_job() for _ in range(jobs))))


start = begin()
asyncio.run(main(*arguments()[:3]))
report(start)
