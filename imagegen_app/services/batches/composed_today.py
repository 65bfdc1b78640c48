"""Compare the request of a placed image with what would be composed for its object today."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from imagegen_app.core import canonical, shots
from imagegen_app.core.types import InputRole
from imagegen_app.core.variables import PromptTemplateError, clean_values, variables_from
from imagegen_app.models.labels import LABELS
from imagegen_app.services.batches import row_images, row_sources
from imagegen_app.services.job_requests import kit_effects, shot_choice
from imagegen_app.services.job_requests.fixed_values import fixed_loras
from imagegen_app.services.job_requests.values import InvalidJobRequest
from imagegen_app.services.policy import access

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import Model

    from imagegen_app.core.shots import Shot
    from imagegen_app.core.variables import Variable
    from imagegen_app.models import (
        Batch,
        BrandKitVersion,
        ImageModel,
        Job,
        Placement,
        TemplateVersion,
    )
    from imagegen_app.services.batches.row_images import RowImage
    from imagegen_app.services.gateways.content_fields import Target


@dataclass(frozen=True, slots=True)
class Change:
    """What differs today from when an image was requested; the texts are for people."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values of a template's variables come from, for an object."""

    #: Variable to the path of an attribute.
    mapping: Mapping[str, str] = field(default_factory=dict)
    #: Variable to a value that no attribute gives.
    fixed: Mapping[str, str] = field(default_factory=dict)
    #: Role of an input image to the path of its field.
    images: Mapping[str, str] = field(default_factory=dict)

    def values_of(self, instance: Model) -> dict[str, str]:
        """Return the values for an object as it is now."""
        return row_sources.values_for(instance, mapping=self.mapping, fixed=self.fixed)


@dataclass(frozen=True, slots=True)
class Today:
    """What would be composed for an object today, and how it differs from its image's request."""

    version: TemplateVersion
    #: None if the one of then cannot be used any more and the template names no other.
    image_model: ImageModel | None
    sources: Sources
    #: Of the request that would be composed; empty if none can be, or nothing differs.
    digest: str
    #: The published version of the kit that would take part; None for none.
    kit: BrandKitVersion | None = None
    #: The short name of the shot that would be made; empty without one.
    shot: str = ""
    changes: tuple[Change, ...] = ()
    #: Why nothing can be composed.
    problem: str = ""

    @property
    def is_outdated(self) -> bool:
        """Whether another image would be made today."""
        return bool(self.changes or self.problem)


@dataclass(frozen=True, slots=True)
class OutdatedImage:
    """A placed image for which another would be made today."""

    placement: Placement
    instance: Model
    job: Job
    today: Today
    #: The batch in which it was asked for already; None if in none.
    asked_in: Batch | None = None

    @property
    def is_refreshable(self) -> bool:
        """Whether a batch can make it anew now."""
        return not self.today.problem and self.asked_in is None


def sources_of(
    target: Target,
    version: TemplateVersion,
    job: Job,
    batch: Batch | None,
    *,
    guesses: Mapping[str, str],
) -> Sources:
    """Return where values come from today: as the batch mapped them, or as the settings bind them.

    What nothing is bound to keeps the value that the image was requested with. `guesses` are the
    target's for this version: see `content_fields.guess_mapping`.
    """
    is_table = batch is not None and row_sources.KEY_COLUMN in batch.mapping
    if is_table:
        # Of an uploaded table: what it says of the object now, nobody can know before another upload.
        mapping, fixed = {}, {}
    elif batch is not None:
        mapping = dict(batch.mapping.get("variables", {}))
        fixed = dict(batch.mapping.get("fixed", {}))
        mapping |= {
            name: path
            for name, path in guesses.items()
            # Of a variable that the template did not have then.
            if path and name not in {*mapping, *fixed, *job.variables}
        }
    else:
        mapping = {name: path for name, path in target.variables.items() if path}
        fixed = {}
    names = {str(one["name"]) for one in version.variables}
    kept = {name: str(value) for name, value in job.variables.items() if name not in mapping}
    return Sources(
        {name: path for name, path in mapping.items() if name in names},
        {name: value for name, value in {**kept, **fixed}.items() if name in names},
        {} if batch is None or is_table else dict(batch.mapping.get(row_images.IMAGES, {})),
    )


def with_images(
    today: Today,
    *,
    target: Target,
    before: Mapping[str, str],
    now: Sequence[RowImage],
) -> Today:
    """Return the comparison with what its input images were and would be, by role.

    `before` are what named them then, as a job's inputs record it, and `now` those of the object.
    """
    if today.sources.images:
        differing = [
            one
            for one in now
            if today.sources.images[one.role.value] != target.field
            and before.get(one.role.value, one.text) != one.text
        ]
        if differing:
            changes = [
                Change(
                    str(LABELS[InputRole][one.role]),
                    before[one.role.value].rpartition("/")[2],
                    one.shown.rpartition("/")[2] or _("nothing"),
                )
                for one in differing
            ]
            digest = canonical.digest({"request": today.digest, "images": [n.text for n in now]})
            today = replace(today, changes=(*today.changes, *changes), digest=digest)
        # What it was made of is no longer in the field, where the image itself is now.
        problem = _(
            "It was made of the photo that it has replaced. Put that photo back, or request a new "
            "image from this one's page."
        )
        is_gone = target.field in today.sources.images.values()
    else:
        problem = _("It needs an input image, and nobody knows from here which one.")
        is_gone = row_images.needed_role(today.version) is not None
    if is_gone and today.is_outdated and not today.problem:
        return replace(today, problem=problem)
    return today


@dataclass(slots=True)
class Comparison:
    """Compares requests with those of today; it reads the variables of each version once."""

    _variables: dict[int, tuple[Variable, ...]] = field(default_factory=dict)

    def compare(
        self,
        job: Job,
        *,
        current: TemplateVersion,
        kit: BrandKitVersion | None,
        sources: Sources,
        instance: Model,
        shows_values: bool,
    ) -> Today:
        """Return what would be composed for an object today, compared with the request of its image.

        :param job: the requested job, with its template version, kit and model.
        :param current: the template's published version, and `kit` the published one of its kit.
        :param shows_values: whether the reader may see what the variables were then.
        """
        then = job.template_version
        values = sources.values_of(instance)
        model = current.image_model or job.image_model
        reason = access.unavailable_reason(model)
        usable = None if reason else model
        if then is None:
            return Today(current, usable, sources, digest="", kit=kit)
        try:
            shot = shot_choice.chosen_shot(current, job.shot)
            now = self._parts(current, kit, values, usable, shot)
        except (PromptTemplateError, InvalidJobRequest) as error:
            problem = error.reason if isinstance(error, InvalidJobRequest) else _reason(error)
            return Today(current, usable, sources, digest="", kit=kit, problem=problem)
        try:
            made = shot_choice.chosen_shot(then, job.shot)
            before = self._parts(then, job.brand_kit_version, job.variables, job.image_model, made)
        except (PromptTemplateError, InvalidJobRequest):
            # It was made under other rules.
            before = {}
        if now == before:
            return Today(current, usable, sources, digest="", kit=kit)
        changes = [
            *self._value_changes(job, current, values, shows_values=shows_values),
            *_reference_changes(job, current, kit),
        ]
        if usable is None:
            changes.append(Change(_("Image model"), job.image_model.name, reason))
        elif usable.pk != job.image_model_id:
            changes.append(Change(_("Image model"), job.image_model.name, usable.name))
        if not changes:
            changes.append(Change(_("Prompt"), _("made under earlier rules"), _("today's rules")))
        digest = canonical.digest(now)
        key = "" if shot is None else shot.key
        return Today(current, usable, sources, digest, kit, shot=key, changes=tuple(changes))

    def _parts(
        self,
        version: TemplateVersion,
        kit: BrandKitVersion | None,
        values: Mapping[str, Any],
        image_model: ImageModel | None,
        shot: Shot | None,
    ) -> dict[str, object]:
        """Return what a template, a kit and values alone decide of a request, for a digest.

        :raises PromptTemplateError: if the template has no valid text with these values.
        :raises InvalidJobRequest: if it becomes too long.
        """
        rendered = shots.render(version.body, self._variables_of(version), values, shot)
        words = kit_effects.with_words(kit, rendered, version.negative)
        seed = version.seed if version.seed_strategy == "fixed" else None
        if version.seed_strategy == "random" and kit is not None:
            seed = kit.seed
        loras = kit_effects.with_loras(kit, fixed_loras(version))
        return {
            "model": None if image_model is None else [image_model.slug, image_model.version],
            "operation": version.operation,
            "prompt": words.rendered.text,
            "negative_prompt": words.negative,
            "size": (shot.size if shot is not None else "") or str(version.size or ""),
            "quality": version.quality,
            "seed": seed,
            # Numbers with a fraction have no canonical form.
            "parameters": repr(sorted(version.parameters.items())),
            "loras": [f"{one.name}={one.weight:g}" for one in loras],
            "guides": repr(version.guides),
            "references": [str(one) for one in kit_effects.references_of(kit)],
            "passes": repr(version.passes),
        }

    def _value_changes(
        self, job: Job, current: TemplateVersion, values: Mapping[str, str], *, shows_values: bool
    ) -> list[Change]:
        """Return the variables whose values differ, each with the name that the template gives it."""
        variables = self._variables_of(current)
        before = {one.name: str(job.variables.get(one.name, "")) for one in variables}
        clean = clean_values(variables, values)
        return [
            Change(
                one.label,
                (before[one.name] or _("nothing")) if shows_values else _("another value"),
                str(values.get(one.name) or "") or _("nothing"),
            )
            for one in variables
            if one.name in job.variables and _cleaned(one, before[one.name]) != clean[one.name]
        ]

    def _variables_of(self, version: TemplateVersion) -> tuple[Variable, ...]:
        if version.pk not in self._variables:
            self._variables[version.pk] = variables_from(version.variables)
        return self._variables[version.pk]


def _cleaned(variable: Variable, value: str) -> object:
    try:
        return variable.clean(value)
    except PromptTemplateError:
        return None


def _reference_changes(
    job: Job, current: TemplateVersion, kit: BrandKitVersion | None
) -> list[Change]:
    found = []
    if job.template_version is not None and job.template_version.pk != current.pk:
        versions = (f"v{job.template_version.number}", f"v{current.number}")
        found.append(Change(_("Template"), *versions))
    if job.brand_kit_version_id != (None if kit is None else kit.pk):
        names = (str(one) if one else _("none") for one in (job.brand_kit_version, kit))
        found.append(Change(_("Brand kit"), *names))
    return found


def _reason(error: PromptTemplateError) -> str:
    return _(error.message) % error.values
