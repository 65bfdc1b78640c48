"""While the storage fails, people read what did not happen, why and what to do."""

from __future__ import annotations

import pytest

from imagegen_app.services.gateways.storage import FileMissing, StorageFailed
from imagegen_app.services.policy import access, storage_refusals


def test_a_missing_file_is_named_and_another_image_advised() -> None:
    with (
        pytest.raises(storage_refusals.ImageFileMissing) as refused,
        storage_refusals.refuse_on_storage_failure("The images were not requested."),
    ):
        raise FileMissing("assets/one")

    assert refused.value.message == "The images were not requested."
    assert refused.value.reason == "The file of the image is missing from the storage."
    assert refused.value.remedy == f"Choose another image. {access.contact_sentence()}"


def test_a_storage_that_fails_is_tried_again_later() -> None:
    with (
        pytest.raises(storage_refusals.StorageUnavailable) as refused,
        storage_refusals.refuse_on_storage_failure(),
    ):
        raise StorageFailed("assets/one")

    assert refused.value.message == "Nothing was done."
    assert refused.value.reason == "The storage of the images does not work at present."
    assert refused.value.remedy.startswith("Try again in a few minutes")
    assert refused.value.remedy.endswith(access.contact_sentence())
