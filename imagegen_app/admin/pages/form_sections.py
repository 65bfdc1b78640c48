"""What the studio's page shows of its form: only what the chosen model offers, or what has a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.functional import cached_property

from imagegen_app.admin.pages import (
    frame_fields,
    grid_fields,
    input_fields,
    model_fields,
    pass_fields,
    reference_fields,
)
from imagegen_app.admin.pages.parameter_fields import PREFIX
from imagegen_app.core.limits import MAX_INPUTS, MAX_PROMPT_CHARS
from imagegen_app.core.types import InputRole, Operation
from imagegen_app.services.gateways import picture_sources
from imagegen_app.services.job_requests.model_options import needs_image

if TYPE_CHECKING:
    from imagegen_app.admin.pages.studio_form import StudioForm


@dataclass(frozen=True)
class FormSections:
    """The fields of the studio's form, in the sections of the page."""

    form: StudioForm

    @property
    def variables(self) -> list[Any]:
        """The fields of the shot and the variables, or the free prompt."""
        if self.form.version is None:
            return [self.form["prompt"]]
        shot = [self.form["shot"]] if "shot" in self.form.fields else []
        return [*shot, *(self.form[f"v_{variable.name}"] for variable in self.form.variables)]

    @cached_property
    def offers_kits(self) -> bool:
        """Whether there is a brand kit to choose from."""
        field: Any = self.form.fields["brand_kit"]
        return bool(field.disabled) or len(field.choices) > 1

    @property
    def shown_model(self) -> str:
        """The key of the model whose options are shown; empty without any."""
        options = self.form.options
        return "" if options is None else str(options.image_model.pk)

    @property
    def model_name(self) -> str:
        """The name of that model."""
        return "" if self.form.options is None else self.form.options.image_model.name

    @property
    def has_ratios(self) -> bool:
        """Whether there are proportions to choose from, or a size is chosen already."""
        options = self.form.options
        return options is None or bool(options.ratios) or bool(self.form["size"].value())

    @property
    def has_tiers(self) -> bool:
        """Whether there are quality tiers to choose from, or a quality is chosen already."""
        options = self.form.options
        return options is not None and (bool(options.tiers) or bool(self.form["quality"].value()))

    @cached_property
    def lacking(self) -> model_fields.Lacking:
        """Sentences that tell which usual options the model does not have."""
        options = self.form.options
        return model_fields.Lacking() if options is None else model_fields.lacking(options)

    @property
    def has_operations(self) -> bool:
        """Whether the model has operations that input images alone do not decide."""
        options = self.form.options
        chosen = bool(self.form["operation"].value())
        return options is not None and (model_fields.has_further_operations(options) or chosen)

    @property
    def images(self) -> list[Any]:
        """The fields for uploads by role that the model takes images of; guides are rows."""
        return [
            self.form[name]
            for name, role in input_fields.FILE_ROLES.items()
            if self._most(role) or (name in self.form.fields and self.form[name].errors)
        ]

    @cached_property
    def taken(self) -> list[reference_fields.TakenRow]:
        """The rows of images that are there already."""
        return reference_fields.taken_rows(self.form)

    @cached_property
    def media_libraries(self) -> list[tuple[str, str]]:
        """The media libraries of the site that the person may choose from: (name, label)."""
        found = picture_sources.open_sources(self.form.actor)
        return [(name, source.label) for name, source in found.items()]

    @property
    def roles(self) -> list[tuple[str, str]]:
        """What an image can be for."""
        return reference_fields.offered_roles(self.form.options)

    @property
    def most_images(self) -> int:
        """How many images one request of the model can have, masks not counted."""
        options = self.form.options
        return 0 if options is None else min(options.capabilities.max_inputs, MAX_INPUTS)

    @cached_property
    def takes_mask(self) -> bool:
        """Whether a mask can be drawn: over the source image, for a model that takes one."""
        return "mask_left" in self.form.fields and bool(self._most(InputRole.MASK))

    @property
    def frame(self) -> list[Any]:
        """The fields for what is added on each side of the source image; empty for other operations."""
        names = [f"frame_{side}" for side in frame_fields.SIDES]
        return [self.form[name] for name in names if name in self.form.fields]

    @property
    def frame_step(self) -> int:
        """Of how many pixels the sides of an extended image are multiples."""
        return 1 if self.form.options is None else frame_fields.step_of(self.form.options)

    @property
    def frame_anchors(self) -> str:
        """The words of the model for where the image stays, with spaces between them."""
        options = self.form.options
        return "" if options is None else " ".join(frame_fields.anchors_of(options))

    @property
    def mask_rectangle(self) -> list[Any]:
        """The fields of a rectangle to be changed."""
        return [self.form[f"mask_{name}"] for name in ("left", "top", "width", "height")]

    @property
    def is_mask_open(self) -> bool:
        """Whether the numbers of the mask are shown: some are given."""
        names = ("mask_cells", "mask_inverted", "mask_feather")
        return any(f.value() for f in [*self.mask_rectangle, *(self.form[n] for n in names)])

    @cached_property
    def guides(self) -> list[input_fields.FieldRow]:
        """The rows of guides."""
        if self.form.options is None:
            return []
        free = self._most(InputRole.CONTROL) - len(self.form.fixed_guides)
        return input_fields.guide_rows(self.form, most=max(free, 0))

    @cached_property
    def loras(self) -> list[input_fields.FieldRow]:
        """The rows of LoRA."""
        options = self.form.options
        if options is None:
            return []
        return input_fields.lora_rows(self.form, most=options.capabilities.max_loras)

    @cached_property
    def passes(self) -> list[input_fields.FieldRow]:
        """The rows of follow-up passes."""
        return pass_fields.pass_rows(self.form)

    @property
    def are_passes_open(self) -> bool:
        """Whether the section for follow-up passes is open: one is chosen."""
        return any(row.is_filled for row in self.passes)

    @property
    def shows_seed(self) -> bool:
        """Whether the model takes a seed, or one is given."""
        options, field = self.form.options, self.form["seed"]
        return (
            (options is not None and options.capabilities.supports_seed)
            or bool(field.value())
            or bool(field.errors)
        )

    @property
    def prompt_limit(self) -> int:
        """How many characters the model takes as a prompt."""
        options = self.form.options
        return MAX_PROMPT_CHARS if options is None else options.capabilities.max_prompt_chars

    @property
    def parameters(self) -> list[Any]:
        """Negative prompt, the model's own parameters, and what an earlier job had besides."""
        options = self.form.options
        named = [name for name in self.form.fields if name.startswith(PREFIX)]
        for name, is_offered in (
            ("negative", options is not None and options.capabilities.supports_negative_prompt),
        ):
            if is_offered or self.form[name].value() or self.form[name].errors:
                named.insert(0, name)
        named += [
            name
            for name in ("background", "output_format")
            if self.form[name].value() or self.form[name].errors
        ]
        return [self.form[name] for name in named]

    @property
    def grid(self) -> list[tuple[Any, Any]]:
        """For each side of a grid what differs along it, and its values."""
        if "grid_columns" not in self.form.fields:
            return []
        return [
            (self.form[f"grid_{side}"], self.form[f"grid_{side}_values"])
            for side in grid_fields.SIDES
        ]

    @property
    def grid_models(self) -> bool:
        """Whether there are models to be compared."""
        return "grid_models" in self.form.fields and len(self.form.usable) > 1

    @property
    def is_grid_open(self) -> bool:
        """Whether a side of a grid is chosen."""
        return any(axis.value() or axis.errors for axis, _values in self.grid)

    @property
    def takes_images(self) -> bool:
        """Whether the section for input images has anything in it."""
        return bool(self.images or self.guides or self.form.fixed_guides)

    @property
    def needs_image(self) -> bool:
        """Whether nothing can be made without an input image."""
        options = self.form.options
        return (
            options is not None
            and needs_image(options.operation)
            and Operation.GENERATE not in options.capabilities.operations
        )

    @property
    def are_images_open(self) -> bool:
        """Whether the section for input images is open: it is needed, or has something in it."""
        fields = [*self.images, *([self.form["operation"]] if self.has_operations else [])]
        is_filled = any(field.errors or field.value() for field in fields)
        has_guides = bool(self.form.fixed_guides) or any(row.is_filled for row in self.guides)
        return self.needs_image or is_filled or has_guides

    @property
    def are_parameters_open(self) -> bool:
        """Whether the section for parameters is open: one of them has a value or an error."""
        fields = [*self.parameters, self.form["seed"], self.form["seed_lock"]]
        is_filled = any(field.errors or field.value() for field in fields)
        return is_filled or any(row.is_filled for row in self.loras)

    def _most(self, role: InputRole) -> int:
        return 0 if self.form.options is None else self.form.options.most_images(role)
