"""Record changes of accounts and groups as those of the request's user."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, contextmanager
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.utils.decorators import sync_and_async_middleware

from imagegen_app.core.actors import Person
from imagegen_app.services.foundation import acting, event_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest

    from imagegen_app.core.actors import Actor


@sync_and_async_middleware
def audit_actor(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Name the request's user in events that have no other actor, and give all one request id.

    Stands after Django's `AuthenticationMiddleware`. The user is looked up only for an event.
    """
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> Any:
            with _request(request):
                return await get_response(request)

        return respond_async

    def respond(request: HttpRequest) -> Any:
        with _request(request):
            return get_response(request)

    return respond


@contextmanager
def _request(request: HttpRequest) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(acting.acting_as(partial(_user, request)))
        stack.enter_context(event_log.request_context(uuid.uuid4().hex))
        yield


def _user(request: HttpRequest) -> Actor | None:
    user = getattr(request, "user", None)
    return Person(user) if user is not None and user.is_authenticated else None
