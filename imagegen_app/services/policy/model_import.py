"""Register a model as its provider's server describes it: list, preview, create."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from django.core import signing
from django.utils.translation import gettext as _

from imagegen_app.core.capability_checks import contradictions
from imagegen_app.core.capability_overrides import changes_between
from imagegen_app.core.errors import ProviderError
from imagegen_app.core.model_descriptions import ModelPage, page_of
from imagegen_app.core.states import Lifecycle
from imagegen_app.models import ImageModel, Provider, WorkflowVersion
from imagegen_app.services.foundation import clock, past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapters, model_lookup
from imagegen_app.services.policy import access, catalog_sync, model_catalog, model_suggestions
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.core.i18n import Message
    from imagegen_app.core.model_descriptions import ModelDescription

#: For how long what was shown can be created without asking again.
PREVIEW_SECONDS: Final = 3600
#: Characters of a name that is asked about, and of what is searched for.
MAX_NAME_CHARS: Final = 120
_SALT = "imagegen.model_import"
_PINNED_FIELDS = ("name", "provider_model_name", "version", "notes", "capabilities", "price_list")


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What a server says of a model, and the row that would be registered."""

    provider: Provider
    description: ModelDescription
    #: Not stored yet; a draft.
    image_model: ImageModel
    #: What the model can do with the row's corrections; None where nobody knows.
    capabilities: Capabilities | None
    #: What does not fit together.
    problems: tuple[Message, ...]
    #: The model that is registered under this name and version already.
    existing: ImageModel | None
    #: Stands for all this in `create_model`; empty where it cannot be created.
    token: str


def can_import(provider: Provider) -> bool:
    """Return whether a provider's server can be asked about its models; nothing is sent."""
    return model_lookup.can_describe(ImageModel(provider=provider))


def list_models(*, actor: Actor, provider: Provider, search: str = "", page: str = "") -> ModelPage:
    """Return a page of the models that a provider's server names, or of the uploaded workflows.

    Empty where the server has no list; then a model is asked about by its name.

    :raises NotPermitted: if the actor may not add models.
    :raises ActionRefused: if the server cannot be asked.
    """
    access.require_permission(actor, "add_imagemodel")
    if model_lookup.has_workflows(provider):
        names = WorkflowVersion.objects.filter(provider=provider).order_by("name")
        listed = names.values_list("name", flat=True).distinct()[:1000]
        return page_of(list(listed), search=search, page=page)
    try:
        found = model_lookup.list_models(provider, search=search[:MAX_NAME_CHARS], page=page)
    except (adapters.ProviderNotConfigured, ProviderError) as error:
        raise model_suggestions.ask_refusal(error) from None
    return ModelPage() if found is None else found


def preview_model(*, actor: Actor, provider: Provider, name: str) -> ImportPreview:
    """Ask a provider's server about a model; nothing is stored, and nothing is billed.

    :raises NotPermitted: if the actor may not add models.
    :raises ActionRefused: if the server cannot be asked, or does not have it.
    """
    access.require_permission(actor, "add_imagemodel")
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARS:
        raise _not_imported(
            _("A name of 1 to %(most)s characters is needed.") % {"most": MAX_NAME_CHARS}
        )
    candidate = _candidate(provider, name)
    try:
        description = model_lookup.describe_model(candidate)
        known = adapters.capabilities(candidate)
    except (adapters.ProviderNotConfigured, ProviderError) as error:
        raise model_suggestions.ask_refusal(error) from None
    if description is None:
        raise _not_imported(_("Its provider does not describe its models."))
    if description.is_known is False:
        raise _not_imported(_("The server does not have the model “%(name)s”.") % {"name": name})
    wanted = description.capabilities
    row = _row(candidate, description)
    if wanted is not None:
        row.capabilities = changes_between(known, wanted)
    problem = adapters.capability_problem(row)
    if problem is not None:
        # Nobody could save it; what the adapter knows stays.
        row.capabilities, wanted = {}, None
    problems = (*description.problems, *((problem,) if problem else ()))
    existing = _registered(provider, row.provider_model_name, row.version)
    return ImportPreview(
        provider=provider,
        description=description,
        image_model=row,
        capabilities=wanted if wanted is not None else (None if contradictions(known) else known),
        problems=problems,
        existing=existing,
        token="" if existing is not None else preview_token(row),
    )


@use_case()
def create_model(*, actor: Actor, provider: Provider, token: str) -> ImageModel:
    """Register a model as it was previewed, as a draft.

    :raises NotPermitted: if the actor may not add models.
    :raises ActionRefused: if the preview is too old, or of another provider, or the model was
        registered meanwhile.
    :raises InvalidRecord: if it cannot be stored.
    """
    access.require_permission(actor, "add_imagemodel")
    try:
        values = signing.loads(token, salt=_SALT, max_age=PREVIEW_SECONDS)
    except signing.BadSignature:
        values = {}
    if values.get("provider") != provider.pk:
        raise _not_imported(_("What was shown is too old."))
    # Pressed twice, or by two people: the second one sees what the first has registered.
    Provider.objects.select_for_update().get(pk=provider.pk)
    known = _registered(provider, values["provider_model_name"], values["version"])
    if known is not None:
        done = past_events.who_and_when(known, "model.registered")
        raise ActionRefused(
            _("The model was not imported."),
            reason=f"{_('It is registered already.')} {done}".strip(),
            remedy="",
            is_already_done=True,
        )
    taken = set(ImageModel.objects.values_list("slug", flat=True))
    day, workflow = values["retires_on"], values["workflow"]
    row = ImageModel(
        provider=provider,
        slug=catalog_sync.free_slug(provider, values["slug_from"], taken=taken),
        lifecycle=Lifecycle.DRAFT.value,
        retires_on=date.fromisoformat(day) if day else None,
        workflow=WorkflowVersion.objects.get(pk=workflow) if workflow else None,
        **{name: values[name] for name in _PINNED_FIELDS},
    )
    model_catalog.save(actor=actor, record=row)
    return row


def _registered(provider: Provider, name: str, version: str) -> ImageModel | None:
    rows = ImageModel.objects.filter(provider=provider, provider_model_name=name, version=version)
    found: ImageModel | None = rows.first()
    return found


def _candidate(provider: Provider, name: str) -> ImageModel:
    """Return a model, not stored, that is asked about; one that is a workflow has its latest version."""
    workflow = None
    if model_lookup.has_workflows(provider):
        versions = WorkflowVersion.objects.filter(provider=provider, name=name)
        workflow = versions.order_by("-number").first()
        if workflow is None:
            raise _not_imported(_("There is no uploaded workflow “%(name)s”.") % {"name": name})
    return ImageModel(provider=provider, provider_model_name=name, workflow=workflow)


def _row(candidate: ImageModel, description: ModelDescription) -> ImageModel:
    """Return the draft that a description makes of a candidate, without its capabilities."""
    workflow = candidate.workflow
    pinned = description.pinned_name
    name = pinned if 0 < len(pinned) <= MAX_NAME_CHARS else candidate.provider_model_name
    version = description.version if workflow is None else f"v{workflow.number}"
    return ImageModel(
        provider=candidate.provider,
        name=description.label or candidate.provider_model_name[:80],
        provider_model_name=name,
        version=version or clock.today().isoformat(),
        workflow=workflow,
        lifecycle=Lifecycle.DRAFT.value,
        price_list=dict(description.price_list),
        retires_on=description.retires_on,
        notes=_("Imported on %(day)s as the provider's server described it.")
        % {"day": clock.today().isoformat()},
    )


def preview_token(row: ImageModel) -> str:
    """Return what stands for a draft that was shown, in `create_model`."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _PINNED_FIELDS}
    values |= {
        "provider": row.provider.pk,
        "workflow": row.workflow_id,
        "retires_on": row.retires_on and row.retires_on.isoformat(),
        "slug_from": row.provider_model_name.partition(":")[0],
    }
    return signing.dumps(values, salt=_SALT, compress=True)


def _not_imported(reason: str) -> ActionRefused:
    return ActionRefused(
        _("The model was not imported."),
        reason=reason,
        remedy=_("Choose a model, and look at it again."),
    )
