"""Walks the files of a site by their links, without a server: what a crawl of it has to find.

    crawl_walk.py ROOT URL CRAWL.jsonl

ROOT is served at URL, and CRAWL.jsonl is what `switchboard crawl URL --out CRAWL.jsonl` wrote. Prints what one of them has and
the other has not, and exits with 1 if there is any. Needs lxml.
"""

import json
import os
import re
import sys
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from lxml import etree, html

SOURCES = {'a': 'href', 'area': 'href', 'link': 'href', 'img': 'src', 'iframe': 'src', 'script': 'src', 'source': 'src'}
IN_CSS = re.compile(r'''url\(\s*["']?([^"')]+?)["']?\s*\)|@import\s+["']([^"']+)''')


def links_of_page(body, url):
    try:
        page = html.document_fromstring(body, parser=html.HTMLParser(encoding='utf-8', huge_tree=True))
    except etree.ParserError:
        return
    base = page.find('.//base')
    if base is not None and base.get('href'):
        url = urljoin(url, base.get('href').strip())
    for element in page.iter():
        tag = element.tag if isinstance(element.tag, str) else ''
        found = [element.get(SOURCES[tag])] if tag in SOURCES else []
        if tag == 'form' and element.get('method', 'get').lower() == 'get':
            found.append(element.get('action'))
        if tag == 'meta' and element.get('http-equiv', '').lower() == 'refresh':
            found += re.findall(r'(?i)url=\s*["\']?([^"\']+)', element.get('content', ''))
        if tag in ('img', 'source'):
            found += [part.split()[0] for part in element.get('srcset', '').split(',') if part.split()]
        for link in found:
            if link is not None:
                yield urljoin(url, re.sub(r'[\t\n\r]', '', link.strip(' \f')))


def links_of(path, url):
    if path.endswith(('.html', '.htm')):
        with open(path, 'rb') as file:
            yield from links_of_page(file.read(), url)
    elif path.endswith('.css'):
        with open(path, encoding='utf-8') as file:
            for match in IN_CSS.finditer(file.read()):
                yield urljoin(url, match[1] or match[2])


def walk(root, start):
    """Returns the pages, and the addresses behind which there is nothing. Links that leave the root by a symbolic link are
    among these: a server of files does not follow them."""
    origin = urlsplit(start).netloc
    inside = os.path.realpath(root) + os.sep
    seen, queue, pages, missing = {start}, [start], set(), set()
    while queue:
        url = queue.pop()
        path = os.path.join(root, unquote(urlsplit(url).path).lstrip('/'))
        if os.path.isdir(path):
            path = os.path.join(path, 'index.html')
        if not os.path.isfile(path) or not os.path.realpath(path).startswith(inside):
            missing.add(url)
            continue
        pages.add(url)
        for link in links_of(path, url):
            link = urldefrag(link)[0]
            parts = urlsplit(link)
            if parts.scheme == 'http' and parts.netloc == origin:
                link = link if parts.path else link + '/'
                if link not in seen:
                    seen.add(link)
                    queue.append(link)
    return pages, missing


def key(url):
    parts = urlsplit(url)
    return unquote(parts.path) + ('?' + parts.query if parts.query else '')


def main(root, start, crawl):
    pages, missing = ({key(url) for url in some} for some in walk(root, start))
    rows = [json.loads(line) for line in open(crawl)]
    fetched = {key(row['address']) for row in rows if row['fate'] == 'fetched'}
    failed = {key(row['address']) for row in rows if row['fate'] == 'failed'}
    print(f'walk: {len(pages)} pages, {len(missing)} missing; crawl: {len(fetched)} fetched, {len(failed)} failed')
    apart = (pages ^ fetched) | (missing ^ failed)
    for one in sorted(apart):
        print(one)
    return 1 if apart else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
