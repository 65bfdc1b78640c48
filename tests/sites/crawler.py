"""Set a site up, follow the links of its admin as a superuser, and print what was met.

`python crawler.py ADMIN...`, called in the site's folder, checks, migrates and makes the roles in one
process, and prints one line of JSON: for each address of an admin how many pages answered, which failed,
and where the studio, the overview and the panel were found.
"""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from typing import Any
from urllib.parse import urljoin, urlsplit

import django

#: Pages that are opened at most; each kind of page comes before the variants of a list.
MAX_PAGES = 75
#: Pages that end the session, or are no page.
LEFT_OUT = re.compile(r"/logout/|/jsi18n/|password_change")


def set_up() -> Any:
    """Do what the documentation says, and return a new superuser."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("check", fail_level="ERROR", verbosity=0)
    # Where a site's tables are made, if it says so.
    writer = getattr(settings, "WRITER", "default")
    call_command("migrate", database=writer, verbosity=0)
    call_command("imagegen_roles", verbosity=0)
    users: Any = get_user_model()
    return users.objects.create_superuser("root", "root@example.com", "secret")


def crawl(start: str, user: Any) -> dict[str, Any]:
    """Open the pages in the order in which they are linked, those without a query first."""
    from django.test import Client
    from django.urls import get_script_prefix

    client = Client(raise_request_exception=False)
    client.force_login(user)
    prefix = get_script_prefix().rstrip("/")
    met: dict[str, Any] = {"pages": 0, "failed": [], "studio": "", "overview": "", "panel": False}
    plain, queries, seen = deque([start]), deque[str](), {start}
    while (plain or queries) and met["pages"] < MAX_PAGES:
        address = plain.popleft() if plain else queries.popleft()
        response: Any = client.get(address.removeprefix(prefix) if prefix else address)
        met["pages"] += 1
        if response.status_code >= 400:
            met["failed"].append([address, response.status_code, repr(response.exc_info)[:300]])
            continue
        links = [response["Location"]] if response.status_code in {301, 302} else []
        if response.headers.get("Content-Type", "").startswith("text/html"):
            text = response.content.decode()
            links += re.findall(r'<a[^>]* href="([^"#]+)', text)
            if address == start:
                met["panel"] = "imagegen-dashboard" in text
        for found in links:
            link = urljoin(address, found.replace("&amp;", "&"))
            parts = urlsplit(link)
            if parts.netloc or start not in link or LEFT_OUT.search(link) or link in seen:
                continue
            seen.add(link)
            (queries if parts.query else plain).append(link)
            if link.endswith("/studio/"):
                met["studio"] = met["studio"] or link
            if link.endswith("/overview/"):
                met["overview"] = met["overview"] or link
    return met


if __name__ == "__main__":
    sys.path.insert(0, "")
    django.setup()
    root = set_up()
    print(json.dumps({start: crawl(start, root) for start in sys.argv[1:]}))
