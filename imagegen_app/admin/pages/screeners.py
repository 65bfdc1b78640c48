"""Try the site's content checks on a text or an image of one's own."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.core.limits import MAX_INPUT_BYTES, MAX_PROMPT_CHARS
from imagegen_app.services.gateways import screener_trials
from imagegen_app.services.monitoring import screener_tests
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from imagegen_app.core.actors import Person
    from imagegen_app.services.gateways.screener_trials import ScreenerTrial


class ScreenerPages(Pages):
    """The page on which the content checks are tried."""

    sidebar_url_name = "imagegen_verdict_changelist"

    def routes(self) -> list[Route]:
        return [
            Route(
                "try/",
                self.try_screeners,
                "imagegen_verdict_try",
                permission=screener_tests.PERMISSION,
                is_hidden=True,
            )
        ]

    def try_screeners(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show the form, and on POST what each content check says."""
        text = str(request.POST.get("text", ""))
        trials: list[ScreenerTrial] = []
        refusal: ActionRefused | None = None
        if request.method == "POST":
            upload = request.FILES.get("image")
            is_large = upload is not None and (upload.size or 0) > MAX_INPUT_BYTES
            image = b"" if upload is None else upload.read(MAX_INPUT_BYTES + is_large)
            try:
                trials = screener_tests.try_screeners(actor=actor, text=text, image=image)
            except ActionRefused as refused:
                refusal = refused
        context: dict[str, Any] = {
            "title": _("Try the content checks"),
            "refusal": refusal,
            "text": text[:MAX_PROMPT_CHARS],
            "max_chars": MAX_PROMPT_CHARS,
            "trials": trials,
            "cost": sum((one.verdict.cost for one in trials), start=Decimal(0)),
            "of_texts": screener_trials.names_of("prompt"),
            "of_images": screener_trials.names_of("input", "output"),
            "text_price": screener_trials.price_of("prompt"),
            "image_price": screener_trials.price_of("input", "output"),
        }
        return self.page(request, "imagegen_app/admin/compliance/try_screeners.html", context)
