"""Say why an amount does not fit into a budget."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext as _

from imagegen_app.models.amounts import format_amount
from imagegen_app.services.policy.access import ActionRefused, contact_sentence


class OverBudget(ActionRefused):
    """The amount exceeds what remains in a budget."""

    code = "over_budget"


class CurrencyMismatch(ActionRefused):
    """A budget that applies has another currency than the model's prices."""

    code = "currency_mismatch"


def currency_mismatch(budget: str, budget_currency: str, model_currency: str) -> CurrencyMismatch:
    """Return the refusal of a model priced in another currency than the budget's."""
    return CurrencyMismatch(
        _("This image cannot be requested."),
        reason=_(
            "The budget “%(budget)s” is in %(budget_currency)s, but the model is priced in "
            "%(model_currency)s."
        )
        % {
            "budget": budget,
            "budget_currency": budget_currency,
            "model_currency": model_currency,
        },
        remedy=contact_sentence(),
    )


def over_budget(budget: str, *, amount: Decimal, remaining: Decimal, currency: str) -> OverBudget:
    """Return the refusal of an amount of which too little remains in a budget."""
    return OverBudget(
        _("The remaining budget does not cover this job."),
        reason=_(
            "It would cost about %(cost)s %(currency)s; %(remaining)s %(currency)s remain in "
            "“%(budget)s”."
        )
        % {
            "cost": format_amount(amount),
            "currency": currency,
            "remaining": format_amount(max(remaining, Decimal(0))),
            "budget": budget,
        },
        remedy=contact_sentence(),
    )
