"""Record sign-ins and failed ones, where the site's settings want it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_login_failed

from imagegen_app import conf
from imagegen_app.core.actors import Person, System
from imagegen_app.models import AuditEvent
from imagegen_app.services.foundation import clock, event_log
from imagegen_app.services.policy import account_events

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("imagegen.audit")

#: Failed sign-ins that are recorded within a minute, at most: anybody can cause them.
MAX_FAILED_PER_MINUTE: Final = 60
_NOBODY: Final = System("sign-in")
#: A name that is longer is no name of an account, and is not looked up.
_MAX_NAME_CHARS: Final = 254


def connect() -> None:
    """Listen to Django's sign-ins; may be repeated."""
    user_logged_in.connect(_record_sign_in, dispatch_uid="imagegen.sign_in")
    user_login_failed.connect(_record_failure, dispatch_uid="imagegen.sign_in")


def _record_sign_in(user: Any, **_rest: Any) -> None:
    if conf.get().audit.record_sign_ins:
        account_events.record(
            [event_log.NewEvent("auth.logged_in", subject=user)], actor=Person(user)
        )


def _record_failure(credentials: Mapping[str, Any], **_rest: Any) -> None:
    """Record a failed sign-in, and which account it was for if there is one of that name.

    What was typed is not recorded: it may be a password in the wrong field.
    """
    if not conf.get().audit.record_sign_ins:
        return
    since = clock.now() - timedelta(minutes=1)
    recent = AuditEvent.objects.filter(type="auth.login_failed", at__gte=since)
    if recent.count() >= MAX_FAILED_PER_MINUTE:
        logger.warning("More than %s failed sign-ins in a minute.", MAX_FAILED_PER_MINUTE)
        return
    model = get_user_model()
    name = credentials.get(model.USERNAME_FIELD)
    account = None
    if isinstance(name, str) and len(name) <= _MAX_NAME_CHARS and "\0" not in name:
        account = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()  # noqa: SLF001 - Django's documented API
    account_events.record([event_log.NewEvent("auth.login_failed", subject=account)], actor=_NOBODY)
