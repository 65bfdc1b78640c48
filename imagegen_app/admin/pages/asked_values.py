"""What a link to the studio's form asks for: an operation on an image, with which model, how good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imagegen_app.admin.pages import frame_fields
from imagegen_app.core.types import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from imagegen_app.services.job_requests.model_options import ModelOptions
    from imagegen_app.services.library.recipes import Recipe

SOURCE_NOT_USABLE = gettext_lazy(
    "The image to start from cannot be used any more: it was rejected or withdrawn, or it is not yours. "
    "Choose another one."
)
_NAMES = ("operation", "image_model", "quality", "seed")
_MAX_CHARS = 60
#: Operations whose words say what is to change, or that need none: those of the image are neither.
_NEEDS_NEW_WORDS = frozenset(
    {
        Operation.EDIT,
        Operation.INPAINT,
        Operation.REPLACE,
        Operation.ERASE,
        Operation.REMOVE_BACKGROUND,
        Operation.RECOLOUR,
        Operation.RELIGHT,
        Operation.RESTORE_FACES,
    }
)


def asked_values(request: HttpRequest) -> dict[str, str]:
    """Return what the request's address asks for, by the names of the form's fields."""
    return {n: str(request.GET[n])[:_MAX_CHARS] for n in _NAMES if request.GET.get(n)}


def with_asked_model(
    recipe: Recipe, options: ModelOptions | None, asked: Mapping[str, str]
) -> Recipe:
    """Return a recipe for the model that is asked: nobody asked for the one that it was made with."""
    if options is None or asked.get("image_model") != str(options.image_model.pk):
        return recipe
    return replace(recipe, image_model_id=options.image_model.pk)


def fill_in(form: Any, asked: Mapping[str, str]) -> None:
    """Begin the studio's form with what is asked, as far as its model has it."""
    options, fields = form.options, form.fields
    if options is not None and asked.get("operation") == options.operation:
        fields["operation"].initial = asked["operation"]
        if options.operation in _NEEDS_NEW_WORDS and "prompt" in fields:
            fields["prompt"].initial = ""
        is_sized = options.capabilities.sizes_for(options.operation).is_choosable
        picture = form.source_asset or form.content
        if options.operation is Operation.UPSCALE and is_sized and picture is not None:
            larger = frame_fields.doubled_size(picture, options)
            pixels = f"{larger.width} \N{MULTIPLICATION SIGN} {larger.height}"
            form.offer("size", str(larger), _("Larger: %(pixels)s") % {"pixels": pixels})
    # After a request, a seed is kept where that was asked for, and random again otherwise.
    if asked.get("seed") == "lock":
        fields["seed_lock"].initial = True
    elif asked.get("seed") == "new":
        fields["seed"].initial = None
    if asked.get("quality") in dict(fields["quality"].choices):
        fields["quality"].initial = asked["quality"]
