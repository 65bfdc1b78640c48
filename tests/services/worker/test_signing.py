"""A file that cannot be signed fails at once with the true reason, and its answer is kept."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from imagegen_app.imaging.ingredients import FACTS_LABEL, IngredientFacts, manifest_store
from imagegen_app.imaging.pipeline import EncodedFile
from imagegen_app.models import LedgerEntry
from imagegen_app.services.gateways import signing, spool, storage
from imagegen_app.services.jobs import leases, transitions
from imagegen_app.services.worker import _ingest_options, _outcomes, _signing
from imagegen_app.services.worker._call_loop import CallResult
from imagegen_app.services.worker._ingest_options import InputFile
from tests.services.worker.test_foreign_manifests import signed_by_a_stranger

if TYPE_CHECKING:
    from imagegen_app.models import Attempt, Job
    from imagegen_app.services.gateways.file_signing import SignedMaster
    from imagegen_app.services.worker._ingest_options import IngestOptions
    from tests.services.conftest import Site


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


def file(data: bytes) -> EncodedFile:
    return EncodedFile(
        data=data,
        sha256=storage.file_hash(data),
        format="png",
        media_type="image/png",
        extension="png",
        width=8,
        height=8,
        instance_id="",
    )


@pytest.fixture
def answered(site: Site) -> tuple[Job, Attempt]:
    """Return a claimed job whose answer is in the spool, and its attempt."""
    site.request()
    (job,) = leases.claim(limit=1, owner="a")
    attempt = transitions.start_attempt(job, digest=leases.digest_of(job))
    transitions.mark_sent(job, attempt)
    spool.answer_of(attempt).body_path.parent.mkdir(parents=True, exist_ok=True)
    spool.answer_of(attempt).body_path.write_bytes(b"paid for")
    transitions.mark_answered(job, attempt)
    return job, attempt


def sign(options: IngestOptions, data: bytes) -> SignedMaster:
    return _signing.sign_master(
        file(data),
        options=options,
        identity=signing.require_usable_identity(),
        answer=png(),
        answer_media_type="image/png",
    )


def test_what_cannot_be_signed_is_no_fault_of_the_certificate(
    answered: tuple[Job, Attempt],
) -> None:
    options = _ingest_options.ingest_options(*answered)

    with pytest.raises(_signing.NotPublishable) as caught:
        sign(options, b"\x89PNG\r\n\x1a\n and no more")

    assert "could not be signed" in caught.value.detail


def test_it_fails_at_once_is_charged_and_its_answer_is_kept(
    answered: tuple[Job, Attempt],
) -> None:
    job, attempt = answered
    error = _signing.NotPublishable(detail="MarkMissing: digital_source_type")

    is_over = _outcomes.handle_ingest_result(job, attempt, CallResult(job.pk, error=error))

    job.refresh_from_db()
    attempt.refresh_from_db()
    assert not is_over
    assert (job.state, job.error_code, job.tries) == ("failed", "not_publishable", 1)
    assert attempt.error_detail == "MarkMissing: digital_source_type"
    assert spool.answer_of(attempt).body_path.exists()
    assert LedgerEntry.objects.filter(kind="charge").count() == 1


def test_an_asset_is_named_by_its_facts_however_large_its_manifests(
    answered: tuple[Job, Attempt],
) -> None:
    key, _sha256 = storage.put("assets", signed_by_a_stranger(filler=70_000), extension="png")
    options = replace(
        _ingest_options.ingest_options(*answered),
        parents=(InputFile(key, "image/png", "parentOf", is_asset=True),),
    )

    found = sign(options, png())

    assert (found.is_reduced, found.names_others) == (False, False)
    assert found.credentials.state == "valid"
    assert FACTS_LABEL.encode() in found.data
    assert len(manifest_store(found.data)) < 8_000


def test_a_certificate_that_breaks_while_it_signs_is_named_as_the_reason(
    answered: tuple[Job, Attempt], settings: object, tmp_path: Path
) -> None:
    options = _ingest_options.ingest_options(*answered)
    broken = replace(signing.require_usable_identity(), key_pem="no key")
    settings.IMAGEGEN = {  # type: ignore[attr-defined]  # pytest-django's fixture
        **settings.IMAGEGEN,  # type: ignore[attr-defined]
        "C2PA": {"CERTIFICATE": str(tmp_path / "a.pem"), "PRIVATE_KEY": str(tmp_path / "b.pem")},
    }

    with pytest.raises(signing.CertificateUnusable):
        _signing.sign_master(
            file(png()),
            options=options,
            identity=broken,
            answer=b"",
            answer_media_type="image/png",
        )


def test_facts_that_were_stored_with_the_input_are_used(answered: tuple[Job, Attempt]) -> None:
    facts = IngredientFacts(sha256="a" * 64, media_type="image/png", state="valid", title="told")
    upload = InputFile("nowhere", "image/png", "inputTo", is_asset=False, facts=facts.as_dict())
    options = replace(_ingest_options.ingest_options(*answered), parents=(upload,))

    found = sign(options, png())

    assert (found.is_reduced, found.names_others) == (False, True)
    assert b"a" * 64 in found.data
