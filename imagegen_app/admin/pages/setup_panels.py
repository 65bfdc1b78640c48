"""What the set-up page shows of each step: whether it is done, and what its form offers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import Count, Exists, OuterRef
from django.utils.functional import cached_property
from django.utils.text import slugify
from django.utils.translation import gettext as _

from imagegen_app import conf, database
from imagegen_app.admin import price_table
from imagegen_app.models import Asset, Budget, ImageModel, Provider
from imagegen_app.services.gateways import adapter_facts, adapters, catalog_files
from imagegen_app.services.monitoring import doctor
from imagegen_app.services.policy import access, catalog_sync, setup_progress
from imagegen_app.services.policy.setup_progress import SetupStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imagegen_app.core.actors import Person

#: The role that the group of people who generate images has.
EDITOR_ROLE: Final = "Image editors"
#: Groups and providers that are offered; a site with more uses its own pages.
_MAX_CHOICES: Final = 200
#: Names that stand in the line of a step that is done.
_MAX_NAMED: Final = 5


def new_group_name() -> str:
    """Return the name of the group that is made where there is none."""
    return _("Editors of AI images")


def budget_name() -> str:
    """Return the name of the limit that is made for the whole site."""
    return _("Everybody, per month")


def needs_role(group: str) -> bool:
    """Return whether a group lacks the permission to request images."""
    wanted = {"content_type__app_label": "imagegen", "codename": "request_job"}
    found = database.accounts(Group).filter(name=group).first()
    return found is None or not found.permissions.using(database.alias()).filter(**wanted).exists()


def free_provider_slug(adapter: str, base_url: str) -> str:
    """Return a short name for a new provider; that of an equal one if a form is sent twice."""
    plain = slugify(adapter)[:50] or "provider"
    taken = dict(Provider.objects.values_list("slug", "base_url"))
    names = chain((plain,), (f"{plain}-{n}" for n in count(2)))
    return next(name for name in names if taken.get(name) in (None, base_url))


def context(actor: Person, wanted: str) -> dict[str, Any]:
    """Return what the template shows; `wanted` is the short name of the provider to go on with."""
    panels = Panels(actor, wanted)
    current = panels.current
    return {
        "panels": panels,
        "steps": [
            {
                "name": step.value,
                "number": number,
                "title": title,
                "state": panels.state(step),
                "is_current": step is current,
                "summary": panels.summaries[step],
                "template": f"imagegen_app/admin/setup/_{step.value}.html",
            }
            for number, (step, title) in enumerate(_titles(), 1)
        ],
        "is_finished": current is None,
    }


def _titles() -> list[tuple[SetupStep, str]]:
    return [
        (SetupStep.PROVIDER, _("Choose a provider")),
        (SetupStep.KEY, _("Name its key")),
        (SetupStep.MODELS, _("Take models")),
        (SetupStep.GRANT, _("Release them to a group")),
        (SetupStep.PEOPLE, _("Put people into the group")),
        (SetupStep.IMAGE, _("Make the first image")),
    ]


@dataclass(frozen=True)
class Panels:
    """The steps for one person and one provider."""

    actor: Person
    wanted: str

    @cached_property
    def providers(self) -> list[Provider]:
        """The enabled providers."""
        return list(Provider.objects.filter(is_enabled=True).order_by("pk")[:_MAX_CHOICES])

    @cached_property
    def usable_models(self) -> list[ImageModel]:
        """The models that are ready for use."""
        rows = ImageModel.objects.usable().select_related("provider").order_by("name", "pk")
        return list(rows[:_MAX_CHOICES])

    @cached_property
    def provider(self) -> Provider | None:
        """The provider that the steps are about: the wanted one, or the first that has models."""
        named = [row for row in self.providers if row.slug == self.wanted]
        ready = {row.provider_id for row in self.usable_models}
        in_use = [row for row in self.providers if row.pk in ready]
        return next(iter([*named, *in_use, *self.providers]), None)

    @cached_property
    def adapter(self) -> Any:
        """What that provider's adapter declares."""
        return None if self.provider is None else adapter_facts.declared(self.provider.adapter)

    @cached_property
    def done(self) -> dict[SetupStep, bool]:
        """Whether each step is done."""
        return {
            SetupStep.PROVIDER: bool(self.providers),
            SetupStep.KEY: self.provider is not None and not self.key_problem,
            SetupStep.MODELS: bool(self.usable_models),
            SetupStep.GRANT: bool(self.released),
            SetupStep.PEOPLE: any(self.released.values()),
            SetupStep.IMAGE: Asset.objects.exists(),
        }

    @cached_property
    def current(self) -> SetupStep | None:
        """The step to take now."""
        return next((step for step in SetupStep if not self.done[step]), None)

    def state(self, step: SetupStep) -> str:
        """Return `done`, `next` or `waiting`."""
        if self.done[step]:
            return "done"
        return "next" if step is self.current else "waiting"

    @cached_property
    def summaries(self) -> dict[SetupStep, str]:
        """What each step that is done has come to, in a line."""
        return {
            SetupStep.PROVIDER: _some(row.name for row in self.providers),
            SetupStep.KEY: self.key_summary,
            SetupStep.MODELS: _some(row.name for row in self.usable_models),
            SetupStep.GRANT: _some(self.released),
            SetupStep.PEOPLE: self.people_summary,
            SetupStep.IMAGE: _("There are images."),
        }

    # 1. Provider

    @property
    def adapter_choices(self) -> Iterator[dict[str, str]]:
        """The adapters with what each needs, in plain words."""
        for name, label in adapters.adapter_choices():
            declared = adapter_facts.declared(name)
            if declared is None:
                continue
            need = ""
            if declared.is_remote and declared.is_self_hosted:
                need = _("your own server, no cost")
            elif declared.is_remote and not declared.base_url:
                need = _("needs the address of its server")
            elif declared.needs_credential:
                need = _("needs a key")
            yield {"name": name, "label": f"{label} · {need}" if need else label}

    # 2. Key

    @cached_property
    def key_problem(self) -> str:
        """Why the provider cannot be called with its key, which is read now; empty if it can."""
        if self.provider is None:
            return ""
        if not self.provider.credential and self.adapter and self.adapter.needs_credential:
            return _("No key is named yet.")
        try:
            adapters.check_provider(self.provider)
        except adapters.ProviderNotConfigured as error:
            return str(error)
        return ""

    @property
    def has_named_key(self) -> bool:
        """Whether the provider names a key, or needs none; what is wrong is told then."""
        if self.provider is None:
            return False
        is_needed = self.adapter is not None and self.adapter.needs_credential
        return bool(self.provider.credential) or not is_needed

    @property
    def key_summary(self) -> str:
        """Which key is used, and that its value is there."""
        if self.provider is None:
            return ""
        if not self.provider.credential:
            return _("%(provider)s needs no key.") % {"provider": self.provider.name}
        return _("“%(name)s”; its value is found.") % {"name": self.provider.credential}

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """The keys that the settings name; those for the provider's host first."""
        host = self.key_host
        names = conf.get().credentials
        fitting = sorted(names, key=lambda name: (host not in names[name].hosts, name))
        chosen = self.provider.credential if self.provider else ""
        return [{"name": name, "is_chosen": name == chosen} for name in fitting]

    @property
    def key_host(self) -> str:
        """The host that the key is sent to."""
        url = (self.provider.base_url if self.provider else "") or (
            self.adapter.base_url if self.adapter else ""
        )
        return urlsplit(url).hostname or ""

    @property
    def settings_lines(self) -> str:
        """The lines that name a key in the site's settings."""
        slug = self.provider.slug if self.provider else ""
        variable = f"{slug.upper().replace('-', '_')}_API_KEY"
        host = self.key_host or "images.example.org"
        return (
            "IMAGEGEN = {\n"
            '    "CREDENTIALS": {\n'
            f'        "{slug}": {{"source": "env:{variable}", "hosts": ["{host}"]}},\n'
            "    },\n"
            "}"
        )

    # 3. Models

    @cached_property
    def offered_models(self) -> list[dict[str, Any]]:
        """The models of the catalogue for the provider, with their prices; unpriced ones left out."""
        if self.provider is None:
            return []
        stored = set(
            ImageModel.objects.filter(provider=self.provider).values_list(
                "provider_model_name", flat=True
            )
        )
        offered: list[dict[str, Any]] = []
        for entry in catalog_files.read_file():
            is_usable = entry.price_list and not catalog_sync.retires_soon(entry)
            if entry.adapter != self.provider.adapter or not is_usable:
                continue
            names = (
                catalog_sync.deployments_of(self.provider, entry.model)
                if entry.is_base_model
                else [entry.model]
            )
            offered += [
                {
                    "model": name,
                    "name": entry.name,
                    "price": price_table.lowest_price(entry.price_list),
                    "checked_on": entry.price_list.get("checked_on", ""),
                    "retires_on": entry.retires_on,
                    "is_taken": name in stored,
                }
                for name in names
            ]
        is_first_choice = not any(one["is_taken"] for one in offered)
        return [
            {**one, "is_proposed": is_first_choice and position == 0}
            for position, one in enumerate(offered)
        ]

    @property
    def is_free(self) -> bool:
        """Whether nobody bills the provider's calls, so that no price is asked."""
        return self.adapter is not None and self.adapter.is_free

    @property
    def needs_version(self) -> bool:
        """Whether a model that is typed must be told apart by a version."""
        return self.adapter is not None and self.adapter.is_remote

    # 4. Grant

    @cached_property
    def released(self) -> dict[str, int]:
        """Groups with a grant that holds today, and how many people are in each."""
        groups = database.accounts(Group).filter(
            pk__in=setup_progress.valid_grants().values("group")
        )
        rows = groups.annotate(members=Count("user")).order_by("name")[:_MAX_CHOICES]
        return {row.name: row.members for row in rows}

    @cached_property
    def groups(self) -> list[dict[str, Any]]:
        """The groups of the site; that of the role is proposed if it may request images."""
        able = database.accounts(Permission).filter(
            group=OuterRef("pk"), codename="request_job", content_type__app_label="imagegen"
        )
        rows = list(
            database.accounts(Group).order_by("name").annotate(is_able=Exists(able))[:_MAX_CHOICES]
        )
        return [
            {"name": row.name, "is_proposed": row.is_able and row.name == EDITOR_ROLE}
            for row in rows
        ]

    @property
    def new_group(self) -> str:
        """The name of a new group; empty where one has it already."""
        name = new_group_name()
        return "" if any(one["name"] == name for one in self.groups) else name

    @property
    def models(self) -> list[dict[str, Any]]:
        """The usable models; those that no group may use yet are proposed."""
        released = set(setup_progress.valid_grants().values_list("image_model", flat=True))
        return [{"model": row, "is_proposed": row.pk not in released} for row in self.usable_models]

    @property
    def has_budget(self) -> bool:
        """Whether there is a limit for everybody."""
        return Budget.objects.filter(scope="site", is_enabled=True).exists()

    @property
    def can_change_groups(self) -> bool:
        """Whether the person may make groups and give them permissions."""
        return all(
            access.has_permission(self.actor, name)
            for name in ("auth.add_group", "auth.change_group")
        )

    # 5. People

    @property
    def can_change_people(self) -> bool:
        """Whether the person may put people into groups."""
        options = get_user_model()._meta  # noqa: SLF001 - Django's documented API
        name = f"{options.app_label}.change_{options.model_name}"
        return access.has_permission(self.actor, name)

    @cached_property
    def is_in(self) -> bool:
        """Whether the person is in a group that has a grant."""
        return bool(access.granted_models(self.actor))

    @property
    def people_summary(self) -> str:
        """How many people are in the groups."""
        return _some(f"{name}: {number}" for name, number in self.released.items())

    # 6. Image

    @property
    def problems(self) -> list[doctor.CheckResult]:
        """What keeps images from being made although all is set up, such as that no worker runs."""
        return doctor.critical_problems()


def _some(names: Iterable[str]) -> str:
    """Return the first of several names."""
    listed = list(names)
    more = ", …" if len(listed) > _MAX_NAMED else ""
    return ", ".join(listed[:_MAX_NAMED]) + more
