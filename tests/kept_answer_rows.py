"""Make a kept answer, with its files, as a failed job leaves it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from imagegen_app.models import KeptAnswer
from imagegen_app.services.foundation import clock
from imagegen_app.services.foundation.unit import use_case
from imagegen_app.services.gateways import kept_files, spool
from imagegen_app.services.jobs import kept_answers
from imagegen_app.testing.factories import make_attempt, make_image, make_job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def make_kept_answer(*, is_readable: bool = True, **job_fields: Any) -> KeptAnswer:
    """Return a kept answer of the sandbox that holds one image."""
    job = make_job(state="failed", **job_fields)
    attempt = make_attempt(job=job, state="settled", ended_at=clock.now())
    answer = spool.answer_of(attempt)
    body = {"images": [{"part": "image-0", "seed": 1}], "format": "png"}
    text = json.dumps(body) if is_readable else "<script>alert(1)</script>"
    asyncio.run(answer.write(_once(make_image()), limit=1 << 20, part="image-0"))
    asyncio.run(answer.write(_once(text.encode()), limit=1 << 20))
    answer.finish({"asked": 1})
    use_case(audited=False)(
        lambda: kept_answers.keep_answer(job, attempt, reason="bad_response", detail="not JSON")
    )()
    kept_files.keep(attempt)
    return KeptAnswer.objects.get(attempt=attempt)
