"""Change providers, models, grants and budgets, and record each change with before and after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import F, Model
from django.utils.translation import gettext as _

from imagegen_app import database
from imagegen_app.core import events, pricing
from imagegen_app.core.operations import Operation
from imagegen_app.core.states import UNPRICED_LIFECYCLES, Lifecycle
from imagegen_app.models import Budget, BudgetPeriod, Grant, ImageModel, Provider, WorkflowVersion
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import event_log, past_events
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import adapter_facts, adapters, base_urls, provider_facts
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from imagegen_app.core.actors import Actor
    from imagegen_app.core.i18n import Message
    from imagegen_app.models import Record


class InvalidRecord(ActionRefused):
    """A record is not valid; `field` names the model field, where it is one."""

    code = "invalid_record"

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(
            _("This cannot be saved."), reason=reason, remedy=_("Change it and try again.")
        )
        self.field = field


@dataclass(frozen=True, slots=True)
class _EventTypes:
    """The event types for changes of one model; empty where a change is not possible."""

    created: str
    changed: str
    deleted: str = ""


#: Fields that tell nothing of what may be used; they change with others only.
_BOOKKEEPING = frozenset({"catalog_values"})
#: Fields with words of a person's own.
_PERSONAL = frozenset({"reason"})
_EVENT_TYPES: dict[type[Record], _EventTypes] = {
    Provider: _EventTypes("provider.created", "provider.changed"),
    ImageModel: _EventTypes("model.registered", "model.changed"),
    Grant: _EventTypes("grant.created", "grant.changed", "grant.revoked"),
    Budget: _EventTypes("budget.created", "budget.changed", "budget.closed"),
}


@use_case()
def save(*, actor: Actor, record: Record) -> Record:
    """Store a new or changed provider, model, grant or budget.

    :raises NotPermitted: if the actor may not add or change such records.
    :raises InvalidRecord: if the record is not valid.
    """
    types = _EVENT_TYPES[type(record)]
    adding = record._state.adding  # noqa: SLF001 - Django's documented API
    name = type(record).__name__.lower()
    access.require_permission(actor, f"{'add' if adding else 'change'}_{name}")
    require_valid(record)
    if adding:
        equal = _equal_record(record)
        if equal is not None:
            # Pressed twice: the record that the first press created is the answer.
            record.pk = equal.pk
            record._state.adding = False  # noqa: SLF001 - Django's documented API
            return record
        _insert(record)
        event_log.record(actor, types.created, subject=record, data=_event_data(record))
    else:
        manager = type(record)._default_manager  # noqa: SLF001 - Django's documented API
        stored = manager.select_for_update().get(pk=record.pk)
        fields = record._meta.concrete_fields  # noqa: SLF001 - as above
        names = [f.attname for f in fields if not f.primary_key and f.name not in _BOOKKEEPING]
        changes = record.changes_since(stored, names)
        if not changes:
            return record
        if isinstance(record, Budget) and "limit" in changes:
            _update_period_limit(record)
        record.save()
        # What a person wrote in their own words can be erased, so the log only commits to it.
        personal = {key: str(changes[key][1]) for key in _PERSONAL & changes.keys()}
        data = _event_data(record) | {
            "changes": {
                key: {"before": _loggable(a), "after": _loggable(b)}
                for key, (a, b) in changes.items()
                if key not in personal
            }
        }
        if "limit" in changes:
            data |= {
                "before": _loggable(changes["limit"][0]),
                "after": _loggable(changes["limit"][1]),
            }
        for kind in _change_kinds(record, changes) or [types.changed]:
            event_log.record(actor, kind, subject=record, data=data, personal=personal)
    return record


@use_case()
def delete(*, actor: Actor, record: Record) -> None:
    """Delete a grant, or a budget that was never used.

    :raises NotPermitted: if the actor may not delete such records.
    :raises InvalidRecord: if it cannot be deleted because other records refer to it.
    :raises ActionRefused: if it was deleted before.
    """
    types = _EVENT_TYPES.get(type(record))
    if types is None or not types.deleted:
        raise InvalidRecord(
            _("This cannot be deleted, because past records refer to it. Disable it instead.")
        )
    access.require_permission(actor, f"delete_{type(record).__name__.lower()}")
    manager = type(record)._default_manager  # noqa: SLF001 - Django's documented API
    stored = manager.select_for_update().filter(pk=record.pk).first()
    if stored is None:
        known = past_events.who_and_when(record, types.deleted)
        raise ActionRefused(
            _("Nothing was deleted."),
            reason=f"{_('It was deleted before.')} {known}".strip(),
            remedy="",
            is_already_done=True,
        )
    if isinstance(record, Budget) and record.periods.exists():
        raise InvalidRecord(_("This budget has been used. Disable it instead."))
    event_log.record(actor, types.deleted, subject=record, data=_event_data(record))
    # Not `record`, which would forget its primary key: a second call could not say who was first.
    stored.delete()


@use_case()
def set_lifecycle(*, actor: Actor, image_model: ImageModel, lifecycle: Lifecycle) -> None:
    """Promote, deprecate or retire a model.

    :raises NotPermitted: if the actor may not change models.
    :raises InvalidRecord: if it would accept requests, and has no valid price list.
    """
    access.require_permission(actor, "change_imagemodel")
    _require_price(image_model, lifecycle)
    before = ImageModel.objects.select_for_update().get(pk=image_model.pk).lifecycle
    image_model.lifecycle = lifecycle.value
    if before == lifecycle.value:
        return
    image_model.save(update_fields=["lifecycle", "price_list"])
    event_log.record(
        actor,
        {Lifecycle.DEPRECATED: "model.deprecated", Lifecycle.RETIRED: "model.retired"}.get(
            lifecycle, "model.promoted"
        ),
        subject=image_model,
        data={"model": image_model.slug, "before": before, "after": lifecycle.value},
    )


def require_valid(record: Record) -> None:
    """Require that a record could be stored, as far as its own values tell; nothing is written.

    :raises InvalidRecord: if it could not.
    """
    if isinstance(record, Provider | ImageModel):
        _raise_problem(provider_facts.fact_problem(record.data_handling), field="data_handling")
    if isinstance(record, Provider):
        _require_valid_provider(record)
    if isinstance(record, ImageModel):
        _require_valid_model(record)
    if isinstance(record, Grant):
        known = {o.value for o in Operation}
        unknown = [str(o) for o in record.operations if o not in known]
        if unknown or not record.operations:
            raise InvalidRecord(_("Choose at least one valid operation."), field="operations")


def _pin_workflow(image_model: ImageModel, workflow: WorkflowVersion) -> None:
    """Give a model the name and the version of the workflow that it is.

    So its jobs, cached results and marks tell the versions of the workflow apart.

    :raises InvalidRecord: if it is another provider's workflow, or does not fit the server.
    """
    if workflow.provider_id != image_model.provider_id:
        raise InvalidRecord(_("The workflow belongs to another provider."), field="workflow")
    if workflow.problems:
        raise InvalidRecord(
            _("The workflow does not fit the server; its page says why."), field="workflow"
        )
    image_model.provider_model_name = workflow.name
    image_model.version = f"v{workflow.number}"


def _require_valid_provider(record: Provider) -> None:
    _require_mapping(record.options, "options")
    # One that was allowed before can always be disabled; no call of it is sent either.
    if record.is_enabled or record._state.adding:  # noqa: SLF001 - Django's documented API
        _raise_problem(base_urls.base_url_problem(record), field="base_url")
    for name, problem in adapters.option_problems(record).items():
        raise InvalidRecord(f"{name}: {_(problem.text) % problem.values}", field="options")


def _require_valid_model(record: ImageModel) -> None:
    _require_price(record, record.lifecycle)
    if record.workflow is not None:
        _pin_workflow(record, record.workflow)
    _require_mapping(record.capabilities, "capabilities")
    _raise_problem(adapters.capability_problem(record), field="capabilities")
    if record.fallback is not None and record.fallback.pk == record.pk:
        raise InvalidRecord(_("A model cannot be its own fallback."), field="fallback")


def _require_price(image_model: ImageModel, lifecycle: str) -> None:
    """Require a valid price list; only a model to which nothing is sent may have none.

    One that nobody bills gets the price 0.

    :raises InvalidRecord: if it is not valid, or missing.
    """
    if not image_model.price_list and lifecycle in UNPRICED_LIFECYCLES:
        return
    if not image_model.price_list and adapter_facts.is_free(image_model.provider.adapter):
        # Nobody bills it, so nobody is asked for a price; budgets book nothing.
        image_model.price_list = pricing.price_per_image("0")
    try:
        pricing.PriceList.from_dict(image_model.price_list)
    except pricing.PriceUnknown as error:
        _raise_problem(error.problem, field="price_list")


def _raise_problem(problem: Message | None, *, field: str) -> None:
    if problem is not None:
        raise InvalidRecord(_(problem.text) % problem.values, field=field) from None


def _require_mapping(value: object, field: str) -> None:
    if not isinstance(value, dict):
        raise InvalidRecord(_("A JSON object is needed, such as {}."), field=field)


def _insert(record: Record) -> None:
    """Insert a new record.

    :raises InvalidRecord: if the database refuses it, such as for a name that is taken meanwhile.
    """
    try:
        with database.atomic():
            record.save(force_insert=True)
    except IntegrityError:
        try:
            record.validate_unique()
            record.validate_constraints()
        except ValidationError as error:
            raise InvalidRecord(" ".join(error.messages)) from None
        raise


def _equal_record(record: Record) -> Record | None:
    """Return a stored grant or budget with the same values as a new one, if there is one.

    A grant or a budget has no name of its own that could be taken; without this, a form that is
    sent twice would create two.
    """
    if not isinstance(record, Grant | Budget):
        return None
    # A lock that every such change takes, so that two at the same moment do not miss each other.
    list(Provider.objects.select_for_update().order_by("pk").values_list("pk")[:1])
    values = {
        field.attname: getattr(record, field.attname)
        for field in record._meta.concrete_fields  # noqa: SLF001 - Django's documented API
        if not field.primary_key and not getattr(field, "auto_now_add", False)
    }
    manager = type(record)._default_manager  # noqa: SLF001 - as above
    json = {name: value for name, value in values.items() if isinstance(value, list)}
    rows = manager.filter(**{n: v for n, v in values.items() if n not in json}).order_by("pk")
    return next((row for row in rows if all(getattr(row, n) == json[n] for n in json)), None)


def _update_period_limit(budget: Budget) -> None:
    """Copy a new limit to the budget's latest period, whose counters enforce it.

    :raises InvalidRecord: if more than the new limit is spent or reserved there already.
    """
    for period in BudgetPeriod.objects.filter(budget=budget).order_by("-starts_on")[:1]:
        fits = BudgetPeriod.objects.filter(
            pk=period.pk, reserved__lte=exact(budget.limit) - F("spent")
        ).update(limit=budget.limit)
        if not fits:
            raise InvalidRecord(
                _("%(used)s %(currency)s are already spent or reserved; the limit cannot be lower.")
                % {
                    "used": format_amount(period.spent + period.reserved),
                    "currency": budget.currency,
                },
                field="limit",
            )


def _change_kinds(record: Record, changes: Collection[str]) -> list[str]:
    """Return the special kinds of events for a change; none for an ordinary one."""
    kinds = []
    if isinstance(record, Provider) and "is_enabled" in changes:
        kinds.append("provider.enabled" if record.is_enabled else "provider.disabled")
        if len(changes) > 1:
            kinds.append("provider.changed")
    if isinstance(record, ImageModel) and "price_list" in changes:
        kinds.append("model.price_changed")
        if len(changes) > 1:
            kinds.append("model.changed")
    return kinds


def _event_data(record: Record) -> dict[str, Any]:
    if isinstance(record, Provider):
        return {
            "provider": record.slug,
            "adapter": record.adapter,
            "base_url": record.base_url,
            "credential": record.credential,
            "is_enabled": record.is_enabled,
        }
    if isinstance(record, ImageModel):
        return {
            "model": record.slug,
            "provider_model_name": record.provider_model_name,
            "version": record.version,
            "lifecycle": record.lifecycle,
        }
    if isinstance(record, Grant):
        return {
            "group": record.group_id,
            "model": record.image_model.slug,
            "operations": [str(o) for o in record.operations],
            "max_pixels": record.max_pixels,
            "max_count": record.max_count,
        }
    if isinstance(record, Budget):
        return {
            "scope": record.scope,
            "limit": record.limit,
            "currency": record.currency,
            "period": record.period,
        }
    return {}


def _loggable(value: Any) -> Any:
    """Return a value as an audit event can hold it: models as primary keys, other types as text."""
    if isinstance(value, Model):
        return str(value.pk)
    if isinstance(value, str | int | bool | Decimal) or value is None:
        return value
    if isinstance(value, dict) and events.has_personal_names(value):
        # Names of an API, such as "prompt" in the options of a service; as keys they would be taken
        # for a person's text.
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, dict):
        return {str(k): _loggable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_loggable(v) for v in value]
    return str(value)
