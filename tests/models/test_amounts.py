from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils.translation import override

from imagegen_app.models import Job
from imagegen_app.models.amounts import MoneyField, amount_expression, format_amount
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.testing.factories import make_job


@use_case(audited=False)
def add(job: Job, amount: Decimal) -> None:
    Job.objects.filter(pk=job.pk).update(
        estimated_cost=F("estimated_cost") + amount_expression(amount)
    )


@pytest.mark.django_db
def test_sums_of_amounts_are_exact_on_every_database() -> None:
    job = make_job(estimated_cost=Decimal(0))

    for _ in range(10):
        add(job, Decimal("0.001"))

    job.refresh_from_db()
    assert job.estimated_cost == Decimal("0.01")
    assert Job.objects.filter(estimated_cost__gte=Decimal("0.01")).exists()


@pytest.mark.parametrize("value", ["a lot", "1,5", "--"])
def test_an_invalid_amount_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        MoneyField().to_python(value)


def test_an_amount_is_formatted_for_the_active_language() -> None:
    with override("de"):
        assert format_amount(Decimal("1234.5")).endswith(",50")
    with override("en"):
        assert format_amount(Decimal("0.0035")) == "0.0035"
