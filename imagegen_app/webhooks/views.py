"""Answer providers' webhooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from imagegen_app.core.limits import MAX_WEBHOOK_BYTES
from imagegen_app.services.worker import webhook_inbox

if TYPE_CHECKING:
    from django.http import HttpRequest

_LENGTH = re.compile(r"[0-9]+")
_MAX_DIGITS = 12


def _length_refusal(length: str) -> int:
    """Return the status that refuses a declared length; 0 if it is acceptable."""
    if not _LENGTH.fullmatch(length):
        return 400
    # Leading zeros are allowed; Python refuses to read a number of thousands of digits.
    digits = length.lstrip("0") or "0"
    return 413 if len(digits) > _MAX_DIGITS or int(digits) > MAX_WEBHOOK_BYTES else 0


# Exempt from CSRF: the sender is a program, authenticated by its signature and the signed URL.
# Outside of ATOMIC_REQUESTS: the service manages its own transactions.
@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class Receive(View):
    """Receive one delivery; a malformed one gets a 4xx response."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Pass the delivery to the service; the status says only whether it was accepted."""
        if refused := _length_refusal(request.META.get("CONTENT_LENGTH") or "0"):
            return HttpResponse(status=refused)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            webhook_inbox.receive(token=token, headers=headers, body=request.body)
        except webhook_inbox.UnknownWebhookToken:
            # With i18n_patterns, Django would answer a 404 by a redirect to the URL with a
            # language prefix; the app's own URLconf has no such patterns.
            request.urlconf = "imagegen_app.urls"
            return HttpResponse(status=404)
        except webhook_inbox.InvalidWebhookSignature:
            return HttpResponse(status=401)
        except webhook_inbox.WebhookNotVerifiable:
            return HttpResponse(status=503)
        except (webhook_inbox.WebhookTooLarge, RequestDataTooBig):
            return HttpResponse(status=413)
        return HttpResponse(status=204)
