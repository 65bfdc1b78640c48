"""A captioner of the shop that asks a service."""

from __future__ import annotations

from imagegen_app.captioning.openai_chat import OpenAIChatCaptioner


class HostedCaptioner(OpenAIChatCaptioner):
    """The ready one, by another name."""
