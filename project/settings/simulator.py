"""Let the demo call a simulated provider: at one address of this machine, with one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

#: The environment variable by which `manage.py demo --provider` tells its worker of the simulator.
URL_VARIABLE = "IMAGEGEN_DEMO_SIMULATOR_URL"
#: The file with the account's credential, in the demo's folder.
KEY_FILE = "simulator-credential"
#: The name of the key in `IMAGEGEN["CREDENTIALS"]`.
CREDENTIAL = "simulator"
#: The environment variable by which `manage.py demo` tells its worker of the simulated captioner.
CAPTIONS_URL_VARIABLE = "IMAGEGEN_DEMO_CAPTIONS_URL"
#: The file with its key, in the demo's folder, and the key's name.
CAPTIONS_KEY_FILE = "captions-credential"
CAPTIONS_CREDENTIAL = "captions"


def with_simulator(imagegen: dict[str, Any], *, url: str, folder: Path) -> dict[str, Any]:
    """Return the settings with the simulator's origin and credential."""
    return {
        **imagegen,
        "CREDENTIALS": {
            **imagegen["CREDENTIALS"],
            CREDENTIAL: {"source": f"file:{folder / KEY_FILE}", "hosts": ["127.0.0.1"]},
        },
        "TRUSTED_ORIGINS": [*imagegen["TRUSTED_ORIGINS"], url],
    }


def with_text_services(imagegen: dict[str, Any], *, url: str, folder: Path) -> dict[str, Any]:
    """Return the settings with a captioner and a text model that ask a simulated chat API there."""
    options = {
        "base_url": f"{url}/v1",
        "model": "gpt-5.4-mini",
        "credential": CAPTIONS_CREDENTIAL,
        "price_per_million_tokens": {"input": "0.40", "output": "1.60"},
    }
    key = {"source": f"file:{folder / CAPTIONS_KEY_FILE}", "hosts": ["127.0.0.1"]}
    return {
        **imagegen,
        "CREDENTIALS": {**imagegen["CREDENTIALS"], CAPTIONS_CREDENTIAL: key},
        "TRUSTED_ORIGINS": [*imagegen["TRUSTED_ORIGINS"], url],
        "CAPTIONER": {
            "BACKEND": "imagegen_app.captioning.openai_chat.OpenAIChatCaptioner",
            "NAME": "simulated captioner",
            "OPTIONS": options,
            "LANGUAGE": "en",
            "PRICE": "0.0005",
        },
        "TEXT_MODEL": {
            "BACKEND": "imagegen_app.writing.openai_chat.OpenAIChatTextModel",
            "NAME": "simulated text model",
            "OPTIONS": options,
            "PRICE": "0.002",
        },
    }
