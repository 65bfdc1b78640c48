"""botocore's client against the simulator: AWS's own signatures, requests and errors."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from imagegen_app.testing.simulator.process import SimulatorProcess
from tests.testing.conftest import KEY
from tests.testing.test_official_clients import client_module

CORE = "stability.stable-image-core-v1:1"
INPAINT = "us.stability.stable-image-inpaint-v1:0"


@pytest.fixture
def connect(simulator: SimulatorProcess) -> Iterator[Callable[..., Any]]:
    """Return a maker of clients, which are closed in the end."""
    session, config = client_module("botocore.session"), client_module("botocore.config")
    clients = []

    def make(
        key_id: str = "AKIASIMULATOR0000001", secret: str = KEY, token: str | None = None
    ) -> Any:
        client = session.get_session().create_client(
            "bedrock-runtime",
            region_name="us-west-2",
            endpoint_url=simulator.base_url,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=config.Config(retries={"max_attempts": 0}, proxies={}),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def invoked(client: Any, model: str = CORE, **body: Any) -> Any:
    answer = client.invoke_model(modelId=model, body=json.dumps({"prompt": "a mug", **body}))
    return json.loads(answer["body"].read())


def test_the_client_of_aws_gets_an_image(
    connect: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    answer = connect().invoke_model(
        modelId=CORE,
        body=json.dumps({"prompt": "a mug", "aspect_ratio": "16:9", "seed": 7}),
        contentType="application/json",
        accept="application/json",
    )

    document = json.loads(answer["body"].read())
    image = Image.open(io.BytesIO(base64.b64decode(document["images"][0])))
    assert (image.format, image.size) == ("PNG", (1344, 768))
    assert (document["seeds"], document["finish_reasons"]) == ([7], [None])
    assert answer["contentType"] == "application/json"
    assert answer["ResponseMetadata"]["RequestId"]
    assert simulator.bill()["images"] == 1


def test_the_client_of_aws_signs_temporary_keys_profiles_and_images(
    connect: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    image = {name: base64.b64encode(picture()).decode() for name in ("image", "mask")}
    temporary = connect("ASIASIMULATOR0000001", token=KEY)
    arn = f"arn:aws:bedrock:us-west-2:123456789012:inference-profile/{INPAINT}"

    documents = [invoked(temporary, model, **image) for model in (INPAINT, arn)]

    assert [document["finish_reasons"] for document in documents] == [[None]] * 2


def test_the_client_of_aws_is_refused_what_aws_refuses(
    connect: Callable[..., Any], simulator: SimulatorProcess
) -> None:
    errors = client_module("botocore.exceptions")
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("ValidationException", lambda: invoked(connect(), steps=30)),
        ("ValidationException", lambda: invoked(connect(), model="stability.no-such-model-v1:0")),
        ("InvalidSignatureException", lambda: invoked(connect(secret="x" * 40))),
        ("UnrecognizedClientException", lambda: invoked(connect("ASIASIMULATOR0000001"))),
    ]
    for code, call in calls:
        with pytest.raises(errors.ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
    for status, code in (
        (403, "AccessDeniedException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
    ):
        simulator.fail("status", status=status)
        client = connect()
        with pytest.raises(getattr(client.exceptions, code)):
            invoked(client)
    assert simulator.bill()["images"] == 0
