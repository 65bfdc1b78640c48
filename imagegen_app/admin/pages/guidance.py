"""A short tour of our pages, and the button that sends a hint away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from imagegen_app.admin.pages.base import Pages, Route
from imagegen_app.forms import hints
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from django.http import HttpRequest

    from imagegen_app.core.actors import Person


_MAX_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class TourStep:
    """One step of the tour."""

    title: str
    text: str
    #: Name of the URL where one can try it.
    url_name: str
    #: The permission that one needs for it.
    permission: str


class GuidancePages(Pages):
    """The tour, and hints that are sent away."""

    sidebar_url_name = "imagegen_overview"

    def routes(self) -> list[Route]:
        return [
            Route("tour/", self.tour, "imagegen_tour"),
            Route("hints/dismiss/", self.dismiss, "imagegen_hint_dismiss", is_post_only=True),
        ]

    def tour(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show one step of the tour, of those that the person may take.

        :raises Http404: if there is none.
        """
        steps = [one for one in _steps() if access.has_permission(actor, one.permission)]
        if not steps:
            raise Http404
        given = str(request.GET.get("step", "1"))
        number = (
            int(given) if given.isascii() and given.isdigit() and len(given) <= _MAX_DIGITS else 1
        )
        number = min(max(number, 1), len(steps))
        step = steps[number - 1]
        context: dict[str, Any] = {
            "title": _("A short tour"),
            "step": step,
            "address": admin_url(step.url_name),
            "number": number,
            "count": len(steps),
            "titles": [one.title for one in steps],
            "before": number - 1,
            "after": number + 1 if number < len(steps) else 0,
        }
        return self.page(request, "imagegen_app/admin/tour.html", context)

    def dismiss(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Remember that the person has read a hint, and go back to its page.

        :raises Http404: if there is no such hint.
        """
        name = str(request.POST.get("hint", ""))
        if name not in hints.HINTS:
            raise Http404
        back = str(request.POST.get("back", ""))
        if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
            back = admin_url("imagegen_overview")
        response = HttpResponseRedirect(back)
        hints.dismiss(request, response, name)
        return response


def _steps() -> tuple[TourStep, ...]:
    return (
        TourStep(
            _("Begin in the studio"),
            _(
                "Choose a template: it knows what the site's images look like. Fill in its blanks; beside "
                "them you read the prompt that will be sent."
            ),
            "imagegen_studio",
            "request_job",
        ),
        TourStep(
            _("Read the promise on the button"),
            _(
                "It says how many images it makes, what they cost, how long they usually take, and what is "
                "left of the budget. If it cannot be pressed, a sentence says why and what helps."
            ),
            "imagegen_studio",
            "request_job",
        ),
        TourStep(
            _("Leave the page, if you like"),
            _(
                "Images are made in the background. A job is never lost, and never paid for twice, also if "
                "your computer or the provider fails meanwhile."
            ),
            "imagegen_job_changelist",
            "request_job",
        ),
        TourStep(
            _("Use an image"),
            _(
                "Open it in the library: place it on an object of the site, make a variation of it, or "
                "edit it. Its page tells where it came from and where it is shown."
            ),
            "imagegen_library",
            "request_job",
        ),
        TourStep(
            _("Make many at once"),
            _(
                "In a list of the site, select the objects and choose “Generate images…”. You see each "
                "prompt and the whole price before anything is sent."
            ),
            "imagegen_batch_changelist",
            "request_job",
        ),
        TourStep(
            _("Decide what may be shown"),
            _(
                "Images that wait for review stand behind the door “Review”. A decision names who took it "
                "and holds for exactly this file."
            ),
            "imagegen_asset_changelist",
            "approve_asset",
        ),
        TourStep(
            _("Show that nothing was changed"),
            _(
                "Every request, call, decision and placement is an entry of the audit log. Verify it "
                "whenever you like; a change of the past is found."
            ),
            "imagegen_log",
            "verify_audit",
        ),
        TourStep(
            _("Look after the site"),
            _(
                "“Health” shows what keeps images from being made, and what to do. Providers, models, "
                "grants and budgets stand beside it."
            ),
            "imagegen_health",
            "change_provider",
        ),
    )
