# Follows every link of a site with Scrapy: `crawl_scrapy.py URL`. Prints how many pages it has got.
import sys
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.linkextractors import LinkExtractor


class Site(scrapy.Spider):
    name = "site"
    start_urls = [sys.argv[1]]
    allowed_domains = [urlsplit(sys.argv[1]).hostname]
    links = LinkExtractor(tags=("a", "area", "link", "img", "script", "iframe"), attrs=("href", "src"), deny_extensions=[])

    def parse(self, response):
        yield {"url": response.url, "status": response.status, "bytes": len(response.body)}
        if isinstance(response, scrapy.http.HtmlResponse):
            for link in self.links.extract_links(response):
                yield scrapy.Request(link.url, self.parse)


process = CrawlerProcess({
    "CONCURRENT_REQUESTS": 32,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
    "DOWNLOAD_DELAY": 0,
    "ROBOTSTXT_OBEY": False,
    "FEEDS": {sys.argv[2]: {"format": "jsonlines"}},
    "LOG_LEVEL": "ERROR",
})
process.crawl(Site)
process.start()
