"""Answer with the caller's key in every text, so that a leak shows."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image, PngImagePlugin

from imagegen_app.testing.simulator.state import key_of

if TYPE_CHECKING:
    from imagegen_app.testing.simulator.asgi import Answer, Call

#: How the key is spelt in an answer.
SPELLINGS: Mapping[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "upper": str.upper,
    "lower": str.lower,
    "cut": lambda key: key[:14],
    "base64": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "url": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "quoted": lambda key: quote(key, safe=""),
    "json": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
}
#: Texts of an error that hold the key; its message holds it among other words.
_ERROR_TEXTS = ("type", "param", "code")
#: Where providers put sentences.
_SENTENCES = frozenset({"detail", "errors", "message"})
_PROMPT_PART = re.compile(rb'name="prompt"[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL)
_HEADERS = ("x-request-id", "openai-version", "x-ratelimit-remaining-requests", "retry-after")


def echoed(answer: Answer, *, key: str, spelling: str) -> Answer:
    """Return the answer with the key in its headers, its JSON texts and its image's metadata."""
    text = SPELLINGS[spelling](key)
    headers = {**answer.headers, **dict.fromkeys(_HEADERS, text)}
    body = answer.body
    if answer.content_type == "application/json":
        try:
            body = json.dumps(_in_document(json.loads(body), text)).encode()
        except ValueError:
            body = body + text.encode()
    elif answer.content_type == "image/png":
        body = in_image(body, text)
    return replace(answer, body=body, headers=headers)


def with_what_was_sent(answer: Answer, *, call: Call) -> Answer:
    """Return an error whose texts repeat the caller's key and prompt, as some providers' do."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return answer
    addition = f" (key: {key_of(call)}; prompt: {prompt_of(call)})"
    return replace(answer, body=json.dumps(_with(document, addition)).encode())


def prompt_of(call: Call) -> str:
    """Return the prompt of a call; empty where it has none."""
    if "multipart/" in call.headers.get("content-type", ""):
        match = _PROMPT_PART.search(call.body)
        return match[1].decode("utf-8", "replace") if match else ""
    try:
        document = call.json()
    except ValueError:
        return ""
    inner = document.get("input")
    prompt = (inner if isinstance(inner, dict) else document).get("prompt", "")
    if isinstance(inner, list) and inner and isinstance(inner[0], dict):
        prompt = inner[0].get("text", "")
    prompt = prompt or document.get("text", "")
    return prompt if isinstance(prompt, str) else ""


def _with(document: Any, addition: str, name: str = "") -> Any:
    if isinstance(document, list):
        return [_with(one, addition, name) for one in document]
    if isinstance(document, dict):
        return {key: _with(value, addition, key) for key, value in document.items()}
    return document + addition if isinstance(document, str) and name in _SENTENCES else document


def in_image(data: bytes, text: str) -> bytes:
    """Return a PNG with the text in its metadata."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", text)
    chunks.add_itxt("XML:com.adobe.xmp", f"<x>{text}</x>")
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()


def _in_document(document: Any, text: str) -> Any:
    if isinstance(document, list):
        return [_in_document(one, text) for one in document]
    if not isinstance(document, dict):
        return document
    changed = {name: _in_document(value, text) for name, value in document.items()}
    error = changed.get("error")
    if isinstance(error, dict):
        known = error.get("code")
        # A code that we know keeps its meaning; its neighbours carry the key.
        names = [name for name in _ERROR_TEXTS if name != "code" or not known]
        changed["error"] = {
            **error,
            **dict.fromkeys(names, text),
            "message": f"Incorrect API key: {text}. safety_violations=[{text}].",
        }
    if isinstance(changed.get("moderation_details"), dict):
        changed["moderation_details"]["categories"] = [text]
    if "data" in changed or "output" in changed:
        changed |= {"model": text, "model_version": text, "quality": text, "size": text}
    if "b64_json" in changed:
        image = base64.b64decode(changed["b64_json"])
        changed |= {
            "b64_json": base64.b64encode(in_image(image, text)).decode(),
            "revised_prompt": f"as {text} asked",
            "mime_type": f"image/{text}",
        }
    return changed
