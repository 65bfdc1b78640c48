"""Lead from an empty site to the first image: six steps on one page, each with its form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from imagegen_app.admin.pages import setup_panels
from imagegen_app.admin.pages.base import Pages, Route, show_refusal
from imagegen_app.forms.admin_urls import admin_url
from imagegen_app.models import Provider
from imagegen_app.services.policy import setup_progress, site_setup
from imagegen_app.services.policy.access import ActionRefused
from imagegen_app.services.policy.site_setup import InvalidSetup

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, QueryDict

    from imagegen_app.core.actors import Person

#: What separates several logins in one field.
_SEPARATORS = re.compile(r"[\s,;]+")


class SetupPage(Pages):
    """The page that is shown to who may add providers."""

    sidebar_url_name = "imagegen_setup"

    def routes(self) -> list[Route]:
        return [Route("setup/", self.setup, "imagegen_setup", permission=setup_progress.PERMISSION)]

    def setup(self, request: HttpRequest, actor: Person) -> HttpResponse:
        """Show how far the site is; a POST takes the step that its button names."""
        wanted = str(request.GET.get("provider", ""))
        if request.method == "POST":
            return self._take_step(request, actor, wanted)
        context = {"title": _("Set up AI images"), **setup_panels.context(actor, wanted)}
        return self.page(request, "imagegen_app/admin/setup/page.html", context)

    def _take_step(self, request: HttpRequest, actor: Person, wanted: str) -> HttpResponse:
        step = str(request.POST.get("step", ""))
        describe = _DESCRIPTIONS.get(step)
        if describe is not None:
            try:
                description = describe(request.POST, actor)
                report = site_setup.apply(actor=actor, setup=site_setup.read(description))
            except InvalidSetup as refusal:
                # People see the form beside which it stands: places are for files.
                told = " ".join(sentence for _place, sentence in refusal.problems)
                messages.error(request, f"{refusal.message} {told}")
            except ActionRefused as refusal:
                show_refusal(request, refusal)
            else:
                if report.has_changes:
                    messages.success(request, _("Saved. Go on with the next step."))
                else:
                    messages.info(request, _("Nothing was changed: nothing new was chosen."))
                added = [one.name for one in report.changes if one.kind == "provider"]
                wanted = next(iter(added), wanted)
        query = f"?{urlencode({'provider': wanted})}" if wanted else ""
        return HttpResponseRedirect(f"{admin_url('imagegen_setup')}{query}#{_anchor()}")


def _anchor() -> str:
    step = setup_progress.next_step()
    return "" if step is None else f"step-{step.value}"


def _provider(data: QueryDict, _actor: Person) -> dict[str, Any]:
    entry: dict[str, Any] = {"adapter": str(data.get("adapter", "")), "is_enabled": True}
    base_url = str(data.get("base_url", "")).strip()
    if base_url:
        # As the form of a provider does.
        entry["base_url"] = base_url if "://" in base_url else f"https://{base_url}"
    slug = setup_panels.free_provider_slug(entry["adapter"], entry.get("base_url", ""))
    stored = Provider.objects.filter(slug=slug).first()
    # The next step names the key; a form that is sent twice must not take it away.
    entry["credential"] = "" if stored is None else stored.credential
    return {"providers": [{**entry, "slug": slug}]}


def _key(data: QueryDict, _actor: Person) -> dict[str, Any]:
    slug = str(data.get("provider", ""))
    provider = Provider.objects.filter(slug=slug).first()
    adapter = "" if provider is None else provider.adapter
    return {
        "providers": [
            {"slug": slug, "adapter": adapter, "credential": str(data.get("credential", ""))}
        ]
    }


def _models(data: QueryDict, _actor: Person) -> dict[str, Any]:
    provider = str(data.get("provider", ""))
    entries: list[dict[str, Any]] = [
        {"provider": provider, "model": str(name)} for name in data.getlist("models")
    ]
    own = str(data.get("own_model", "")).strip()
    if own:
        entry: dict[str, Any] = {"provider": provider, "model": own}
        for name in ("version", "price"):
            given = str(data.get(name, "")).strip()
            if given:
                entry[name] = _decimal(given) if name == "price" else given
        entries.append(entry)
    return {"models": entries}


def _grant(data: QueryDict, _actor: Person) -> dict[str, Any]:
    name = str(data.get("group", "")) or setup_panels.new_group_name()
    # Said in any case: a group that is called as a role would get what somebody took from it.
    group = {
        "name": name,
        "roles": [setup_panels.EDITOR_ROLE] if setup_panels.needs_role(name) else [],
    }
    description: dict[str, Any] = {
        "groups": [group],
        "grants": [{"group": name, "models": [str(one) for one in data.getlist("models")]}],
    }
    limit = str(data.get("limit", "")).strip()
    if limit:
        description["budgets"] = [
            {"name": setup_panels.budget_name(), "limit": _decimal(limit), "period": "month"}
        ]
    return description


def _people(data: QueryDict, actor: Person) -> dict[str, Any]:
    logins = [one for one in _SEPARATORS.split(str(data.get("logins", ""))) if one]
    if data.get("me"):
        logins.append(actor.label)
    return {"groups": [{"name": str(data.get("group", "")), "roles": [], "members": logins}]}


def _decimal(given: str) -> str:
    """Return an amount as a description has it, also if it was written with a comma."""
    return given.replace(",", ".")


#: By the step, what makes a description of what its form sent.
_DESCRIPTIONS: dict[str, Callable[[QueryDict, Person], dict[str, Any]]] = {
    "provider": _provider,
    "key": _key,
    "models": _models,
    "grant": _grant,
    "people": _people,
}
