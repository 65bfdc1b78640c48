"""Change what may be used: providers, models, grants, budgets; each change leaves its before and after."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import F, Model
from django.utils.translation import gettext as _

from imagegen_app.core.pricing import PriceList, PriceUnknown
from imagegen_app.core.states import Lifecycle
from imagegen_app.core.types import Operation
from imagegen_app.models import Budget, BudgetPeriod, Grant, ImageModel, Provider
from imagegen_app.models.amounts import amount_expression as exact
from imagegen_app.models.amounts import format_amount
from imagegen_app.services.foundation import event_log
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.policy import access
from imagegen_app.services.policy.access import ActionRefused

if TYPE_CHECKING:
    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Record


class InvalidRecord(ActionRefused):
    """A row would break a rule; `field` names the part."""

    code = "invalid_record"

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(
            _("This cannot be saved."), reason=reason, remedy=_("Change it and try again.")
        )
        self.field = field


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one table's changes are recorded."""

    created: str
    changed: str
    deleted: str = ""


_KINDS: dict[type[Record], _Kind] = {
    Provider: _Kind("provider.created", "provider.changed"),
    ImageModel: _Kind("model.registered", "model.changed"),
    Grant: _Kind("grant.created", "grant.changed", "grant.revoked"),
    Budget: _Kind("budget.created", "budget.changed", "budget.closed"),
}


@use_case()
def save(*, actor: Actor, record: Record) -> Record:
    """Store a new or changed provider, model, grant or budget.

    :raises NotPermitted: if the actor may not add or change such rows.
    :raises InvalidRecord: if the row breaks a rule.
    """
    kind = _KINDS[type(record)]
    adding = record._state.adding  # noqa: SLF001 - Django's documented API
    name = type(record).__name__.lower()
    access.require_permission(actor, f"{'add' if adding else 'change'}_{name}")
    _require_valid(record)
    if adding:
        record.save()
        event_log.record(actor, kind.created, subject=record, data=_facts(record))
    else:
        stored = type(record)._default_manager.select_for_update().get(pk=record.pk)  # noqa: SLF001 - Django's documented API
        names = [f.attname for f in record._meta.concrete_fields if not f.primary_key]  # noqa: SLF001
        changes = record.changes_since(stored, names)
        if not changes:
            return record
        if isinstance(record, Budget) and "limit" in changes:
            _move_limit(record)
        record.save()
        data = _facts(record) | {
            "changes": {
                key: {"before": _plain(a), "after": _plain(b)} for key, (a, b) in changes.items()
            }
        }
        if "limit" in changes:
            data |= {"before": _plain(changes["limit"][0]), "after": _plain(changes["limit"][1])}
        event_log.record(actor, kind.changed, subject=record, data=data)
    return record


@use_case()
def delete(*, actor: Actor, record: Record) -> None:
    """Delete a grant, or a budget that was never used.

    :raises NotPermitted: if the actor may not delete such rows.
    :raises InvalidRecord: if the row cannot be deleted, since history points at it.
    """
    kind = _KINDS.get(type(record))
    if kind is None or not kind.deleted:
        raise InvalidRecord(
            _("This cannot be deleted, because past records refer to it. Disable it instead.")
        )
    access.require_permission(actor, f"delete_{type(record).__name__.lower()}")
    if isinstance(record, Budget) and record.periods.exists():
        raise InvalidRecord(_("This budget has been used. Disable it instead."))
    event_log.record(actor, kind.deleted, subject=record, data=_facts(record))
    record.delete()


@use_case()
def set_lifecycle(*, actor: Actor, image_model: ImageModel, lifecycle: Lifecycle) -> None:
    """Promote, deprecate or retire a model.

    :raises NotPermitted: if the actor may not change models.
    """
    access.require_permission(actor, "change_imagemodel")
    before = image_model.lifecycle
    if before == lifecycle.value:
        return
    image_model.lifecycle = lifecycle.value
    image_model.save(update_fields=["lifecycle"])
    event_log.record(
        actor,
        {Lifecycle.DEPRECATED: "model.deprecated", Lifecycle.RETIRED: "model.retired"}.get(
            lifecycle, "model.promoted"
        ),
        subject=image_model,
        data={"model": image_model.slug, "before": before, "after": lifecycle.value},
    )


def _require_valid(record: Record) -> None:
    if isinstance(record, ImageModel):
        try:
            PriceList.from_dict(record.price_list)
        except PriceUnknown as error:
            raise InvalidRecord(_(error.why.text) % error.why.values, field="price") from None
        if record.fallback is not None and record.fallback.pk == record.pk:
            raise InvalidRecord(_("A model cannot be its own fallback."), field="fallback")
    if isinstance(record, Grant):
        known = {o.value for o in Operation}
        unknown = [str(o) for o in record.operations if o not in known]
        if unknown or not record.operations:
            raise InvalidRecord(_("Choose at least one valid operation."), field="operations")


def _move_limit(budget: Budget) -> None:
    """Carry a new limit into the budget's present period, which is where money is held to it."""
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


def _facts(record: Record) -> dict[str, Any]:
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


def _plain(value: Any) -> Any:
    """Return a value that the log can hold."""
    if isinstance(value, Model):
        return str(value.pk)
    if isinstance(value, str | int | bool | Decimal) or value is None:
        return value
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
