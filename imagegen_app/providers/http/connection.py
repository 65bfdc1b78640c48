"""Hand synchronous code that asks a service what it calls it with: the client and the key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imagegen_app.providers.http.blocking import BlockingClient

if TYPE_CHECKING:
    from imagegen_app.providers.credentials import Credential


@dataclass(frozen=True, slots=True)
class Connection:
    """What a screener or captioner that asks a service is given beside its options.

    Its class says so by `needs_connection = True`, and gets it as the argument `connection`, anew
    for each question, so that a key that was replaced or revoked counts at once.
    """

    http: BlockingClient = field(default_factory=BlockingClient)
    #: The one that the option `credential` names; None where it names none.
    credential: Credential | None = None
