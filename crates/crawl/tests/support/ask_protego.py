"""Asks protego what it makes of the robots.txt files of its own tests.

Prints a line of JSON for each and each crawler: the file's path, and pages with whether they may be fetched. Pages are made of the file's own patterns."""

import json
import random
import sys
from pathlib import Path

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder / "src"))
from protego import Protego  # noqa: E402

AGENTS = ["switchboard", "Googlebot", "bingbot"]
# What a URL may hold as it is, so that an address is what a page is asked for by.
PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%?=&+:,;@!()")


def pages(text, seed):
    found = {"/", "/index.html", "/a/b?c=d"}
    for line in text.splitlines():
        name, _, value = line.split("#")[0].partition(":")
        if "allow" not in name.lower():
            continue
        value = value.strip()
        for star in ("", "x", "/y/"):
            page = value.replace("*", star).replace("$", "")
            for end in ("", "z", "/", "?q=1"):
                found.add(page + end)
            found.add(page[:-1])
    # protego takes what follows two slashes for a host.
    plain = [page for page in found if page.startswith("/") and not page.startswith("//")]
    plain = [page for page in plain if len(page) < 500 and set(page) <= PLAIN]
    plain.sort()
    random.Random(seed).shuffle(plain)
    return sorted(plain[:100])


files = sorted(path for path in (folder / "tests" / "test_data").rglob("*") if path.is_file())
for number, path in enumerate(files):
    text = path.read_bytes().decode("utf-8-sig", "replace")
    robots = Protego.parse(text)
    asked = pages(text, number)
    for agent in AGENTS:
        answers = []
        for page in asked:
            try:
                answers.append([page, robots.can_fetch(page, agent)])
            except Exception:
                continue
        print(json.dumps({"path": str(path), "agent": agent, "pages": answers}))
