# Follows every link of a site with aiohttp and lxml: `crawl_aiohttp.py URL FILE`, 32 requests at once.
import asyncio
import json
import sys
from urllib.parse import urldefrag, urljoin, urlsplit

import aiohttp
import lxml.html


async def crawl(start, out):
    host = urlsplit(start).netloc
    seen, queue = {start}, asyncio.Queue()
    queue.put_nowait(start)

    async def work(session):
        while True:
            url = await queue.get()
            try:
                async with session.get(url) as response:
                    body = await response.read()
                    html = "html" in response.headers.get("content-type", "")
                    out.write(json.dumps({"url": url, "status": response.status, "bytes": len(body)}) + "\n")
                    base = str(response.url)
                if html and body:
                    for _, _, link, _ in lxml.html.fromstring(body).iterlinks():
                        try:
                            link = urldefrag(urljoin(base, link)).url
                            if link not in seen and urlsplit(link).netloc == host:
                                seen.add(link)
                                queue.put_nowait(link)
                        except ValueError:
                            pass
            finally:
                queue.task_done()

    connector = aiohttp.TCPConnector(limit=32, limit_per_host=32)
    async with aiohttp.ClientSession(connector=connector) as session:
        workers = [asyncio.create_task(work(session)) for _ in range(32)]
        await queue.join()
        for worker in workers:
            worker.cancel()


with open(sys.argv[2], "w") as file:
    asyncio.run(crawl(sys.argv[1], file))
