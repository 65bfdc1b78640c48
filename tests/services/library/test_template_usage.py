"""What was made with templates is counted for a whole page at once."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen_app.services.library import template_usage
from imagegen_app.testing.factories import make_asset, make_job, make_template

pytestmark = pytest.mark.django_db


def test_requests_and_decisions_of_all_versions_are_counted(django_assert_num_queries: Any) -> None:
    used, unused = make_template(), make_template()
    for state in ("approved", "withdrawn", "rejected", "pending"):
        make_asset(job=make_job(template_version=used), review_state=state)

    with django_assert_num_queries(2):
        found = template_usage.use_of_templates([used.template_id, unused.template_id])

    use = found[used.template_id]
    assert (use.request_count, use.approved_count, use.rejected_count) == (4, 2, 1)
    assert use.approval_percent == 67
    assert found[unused.template_id].approval_percent is None
