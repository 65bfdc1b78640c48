"""Play Google Secret Manager and Azure Key Vault over HTTPS, each to its official client."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.secret_stores.tunnel import PAGE, Asked, Reply, Tunnel

if TYPE_CHECKING:
    import pytest

TENANT, CLIENT_SECRET = "11111111-2222-3333-4444-555555555555", "client-secret-of-the-tests"
TOKEN = "token-of-the-tests"


class CloudBench:
    """A store behind the tunnel; `refusal` is what it answers instead of the value."""

    source: str

    def __init__(self, tunnel: Tunnel, patch: pytest.MonkeyPatch) -> None:
        self.value: str | None = None
        self.refusal: Reply | None = None
        self.tunnel = tunnel
        tunnel.use(self.answer)
        tunnel.lead_here(patch)

    def put(self, value: str | None) -> None:
        self.value = value

    def go_down(self) -> None:
        self.refusal = Reply(503, "upstream connect error")

    def hang(self) -> None:
        self.tunnel.is_silent = True

    def answer_with_a_web_page(self) -> None:
        self.refusal = Reply(200, PAGE)

    def answer(self, asked: Asked) -> Reply:
        """Answer as the store does; each bench says how."""
        return Reply(404, {"asked": asked.path})


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def google_refusal(status: int, name: str) -> Reply:
    return Reply(status, {"error": {"code": status, "message": "no", "status": name}})


class GoogleBench(CloudBench):
    """Google Secret Manager, with the account of a service that signs its own tokens."""

    source = "google:projects/p/secrets/images/versions/latest"

    def __init__(self, tunnel: Tunnel, patch: pytest.MonkeyPatch, folder: Path) -> None:
        super().__init__(tunnel, patch)
        account = {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": _private_key(),
            "client_email": "images@p.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        path = folder / "account.json"
        path.write_text(json.dumps(account), "utf-8")
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    def refuse(self) -> None:
        self.refusal = google_refusal(403, "PERMISSION_DENIED")

    def answer(self, asked: Asked) -> Reply:
        assert asked.host == "secretmanager.googleapis.com"
        assert asked.bearer.count(".") == 2
        if self.refusal is not None:
            return self.refusal
        name = self.source.partition(":")[2]
        if self.value is None or not asked.path.startswith(f"/v1/{name}:access"):
            return google_refusal(404, "NOT_FOUND")
        data = base64.b64encode(self.value.encode()).decode()
        return Reply(200, {"name": name, "payload": {"data": data}})


def azure_refusal(status: int, code: str, *, inner: str = "") -> Reply:
    error: dict[str, Any] = {"code": code, "message": "no"}
    if inner:
        error["innererror"] = {"code": inner}
    return Reply(status, {"error": error})


class AzureBench(CloudBench):
    """Azure Key Vault with its challenge, and the service that gives tokens to those who sign in."""

    source = "azure:images-vault/openai"

    def __init__(self, tunnel: Tunnel, patch: pytest.MonkeyPatch) -> None:
        super().__init__(tunnel, patch)
        #: What the service that gives tokens answers instead of one.
        self.sign_in_refusal: Reply | None = None
        patch.setenv("AZURE_TENANT_ID", TENANT)
        patch.setenv("AZURE_CLIENT_ID", "client-of-the-tests")
        patch.setenv("AZURE_CLIENT_SECRET", CLIENT_SECRET)

    def refuse(self) -> None:
        self.refusal = azure_refusal(403, "Forbidden", inner="ForbiddenByRbac")

    def answer(self, asked: Asked) -> Reply:
        if asked.host == "login.microsoftonline.com":
            return self._sign_in(asked)
        assert asked.host == "images-vault.vault.azure.net"
        if not asked.bearer:
            challenge = (
                f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", '
                'resource="https://vault.azure.net"'
            )
            return Reply(401, {}, {"WWW-Authenticate": challenge})
        assert asked.bearer == TOKEN
        if self.refusal is not None:
            return self.refusal
        if self.value is None or not asked.path.startswith("/secrets/openai/"):
            return azure_refusal(404, "SecretNotFound")
        secret_id = "https://images-vault.vault.azure.net/secrets/openai/" + "0" * 32
        return Reply(
            200,
            {"value": self.value, "id": secret_id, "attributes": {"enabled": True}},
        )

    def _sign_in(self, asked: Asked) -> Reply:
        base = f"https://login.microsoftonline.com/{TENANT}"
        if self.sign_in_refusal is not None:
            return self.sign_in_refusal
        if asked.path.startswith("/common/discovery/instance"):
            return Reply(200, {"tenant_discovery_endpoint": f"{base}/v2.0", "metadata": []})
        if "openid-configuration" in asked.path:
            return Reply(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
        if CLIENT_SECRET.encode() not in asked.body:
            told = "AADSTS7000215: Invalid client secret provided."
            return Reply(401, {"error": "invalid_client", "error_description": told})
        return Reply(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
