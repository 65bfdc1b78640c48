"""Speak HTTP to providers: the one client, with its limits, and the one place that sends a key.

- Names are resolved once, every address is checked, and the connection goes to a checked one,
  while certificate, SNI and Host stay those of the name. Plain http and private addresses are
  for trusted origins only, which the site's settings name.
- A billable POST opens a connection of its own: a reused one may just have been closed by
  the server, and then it is unknown whether the call was begun.
- What goes wrong leaves as one of our errors, sorted by "may it have been billed?", with a
  detail in our own words: never a query, a body, a prompt or a key.
"""

from __future__ import annotations

from imagegen_app.providers.http.blocking import BlockingClient
from imagegen_app.providers.http.client import HttpClient
from imagegen_app.providers.http.connection import Connection
from imagegen_app.providers.http.events import EventReader
from imagegen_app.providers.http.values import Auth, HttpLimits, Reply
from imagegen_app.providers.http.websocket import WebSocket

__all__ = [
    "Auth",
    "BlockingClient",
    "Connection",
    "EventReader",
    "HttpClient",
    "HttpLimits",
    "Reply",
    "WebSocket",
]
