"""Begin a new prompt template with the recipe of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagegen_app.admin.fixed_lines import lora_lines, parameter_lines
from imagegen_app.core.operations import Operation
from imagegen_app.models import Asset
from imagegen_app.services.audit import prompt_access
from imagegen_app.services.gateways import content_fields
from imagegen_app.services.job_requests import model_options
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import chooser
from imagegen_app.services.policy.access import NotPermitted

if TYPE_CHECKING:
    from imagegen_app.core.actors import Person

#: Signs that the language of templates would read as its own.
_SIGNS = (("{{", "{ {"), ("{%", "{ %"), ("{#", "{ #"))


def initial_values(actor: Person, key: str) -> dict[str, Any]:
    """Return the values of the template's form for an image that the person may see; else none.

    The words are those of the template that the image was made from, or else its prompt; reading
    the prompt of another person's job is recorded.
    """
    found = content_fields.parse_key(Asset, key)
    rows = Asset.objects.select_related("job__root__template_version", "job__template_version")
    asset = rows.filter(pk=found).first() if found else None
    if asset is None or asset.hard_category:
        return {}
    try:
        chooser.require_visible(actor, asset)
    except NotPermitted:
        return {}
    job = pass_chain.root_job(asset.job)
    used = job.template_version
    prompt = prompt_access.read_prompt(actor, job)
    is_sized = model_options.takes_size(job.image_model, Operation(job.operation))
    values: dict[str, Any] = {
        "body": used.body if used else _plain(prompt or ""),
        "negative": used.negative if used else _plain(job.negative_prompt) if prompt else "",
        "operation": job.operation,
        "image_model": job.image_model_id,
        # A shot may have a size of its own.
        "size": str(used.size or "")
        if used and job.shot
        else f"{job.width}x{job.height}"
        if is_sized
        else "",
        "count": job.count,
        "quality": job.quality,
        "parameters": parameter_lines(job.parameters) if prompt is not None else "",
        "loras": lora_lines(job.loras),
        "variables": [dict(row) for row in used.variables] if used else [],
        "shots": [dict(row) for row in used.shots] if used else [],
    }
    return values


def _plain(text: str) -> str:
    for sign, apart in _SIGNS:
        text = text.replace(sign, apart)
    return text
