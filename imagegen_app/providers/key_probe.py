"""Ask a server that is no image provider of ours whether it takes a key, free of charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_app.core.errors import AuthenticationFailed, PermissionDenied
from imagegen_app.providers.families import statuses

if TYPE_CHECKING:
    from imagegen_app.providers.http import Auth, BlockingClient

#: Servers list thousands of models.
_MAX_LIST_BYTES: Final = 8 * 1024 * 1024
#: What a server answers that has no such list.
_WITHOUT_LIST: Final = frozenset({404, 405, 501})


def lists_models_for(auth: Auth, *, base_url: str, http: BlockingClient, seconds: float) -> bool:
    """Return whether `GET /models` below a base URL takes the key and is refused without one.

    False where that tells nothing: there is no such list, or everybody may read it.

    :raises AuthenticationFailed: if the server refuses the key.
    :raises ProviderError: if it cannot tell now.
    """
    url = base_url.rstrip("/") + "/models"
    reply = http.send("GET", url, seconds=seconds, limit=_MAX_LIST_BYTES, auth=auth)
    if reply.status in _WITHOUT_LIST:
        return False
    if not reply.ok:
        raise statuses.classify(reply)
    # Some servers show their list to everybody, and would be said to take any key.
    bare = http.send("GET", url, seconds=seconds, limit=_MAX_LIST_BYTES)
    return not bare.ok and isinstance(
        statuses.classify(bare), AuthenticationFailed | PermissionDenied
    )
