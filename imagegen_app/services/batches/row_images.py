"""The input images of a batch's rows: where they are, whether they may be used, and their bytes.

A preview knows of them what it can say without reading any. A worker reads them when a row becomes a
job: addresses are fetched before, see `_image_fetches`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db.models import Model
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from imagegen_app.core.actors import Person
from imagegen_app.core.limits import MAX_INPUT_BYTES
from imagegen_app.core.types import MASK_OPERATIONS, InputRole, Operation
from imagegen_app.models import Asset, JobInput
from imagegen_app.models.labels import LABELS
from imagegen_app.services.batches._image_fetches import NotThereYet
from imagegen_app.services.gateways import content_fields, remote_pictures, storage
from imagegen_app.services.job_requests.fixed_guides import fixed_guides
from imagegen_app.services.job_requests.model_options import options_of
from imagegen_app.services.job_requests.values import (
    ContentOrigin,
    InputSource,
    InvalidJobRequest,
)
from imagegen_app.services.jobs import pass_chain
from imagegen_app.services.library import delivery, pictures
from imagegen_app.services.policy import access, use_of_assets
from imagegen_app.services.policy.storage_refusals import refuse_on_storage_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from django.db.models import QuerySet

    from imagegen_app.core.actors import Actor
    from imagegen_app.models import Batch, ImageModel, TemplateVersion
    from imagegen_app.services.gateways.remote_pictures import Fetched

#: What a row's image can be for; a mask belongs to one image, and is drawn.
ROLES: Final = (InputRole.IMAGE, InputRole.REFERENCE, InputRole.STYLE, InputRole.CONTROL)
#: Operations that nothing but the image itself has a part in.
_OF_ONE_IMAGE: Final = frozenset(
    {Operation.UPSCALE, Operation.REMOVE_BACKGROUND, Operation.RESTORE_FACES}
)
#: What a batch's mapping says of its input images: the place of each by its role.
IMAGES: Final = "images"
#: What a cell may hold, in characters; no address or key is longer.
_MAX_CELL_CHARS: Final = 4096
_MAX_SHOWN_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class RowImage:
    """An input image that a row names: by an address, as an asset, or in a field of its object."""

    role: InputRole
    #: What names it: the address, the asset's ID, or the file's name.
    text: str
    url: str = ""
    asset: UUID | None = None
    #: The field that holds it, and its file.
    content: ContentOrigin | None = None
    file: Any = field(default=None, compare=False, repr=False)
    #: The row's object, which the field is of, or leads from.
    owner: Any = field(default=None, compare=False, repr=False)
    #: Why it cannot be used; empty as far as is known without reading it.
    problem: str = ""

    @property
    def shown(self) -> str:
        """What names it for people: no query of an address, which may hold a key."""
        if self.url:
            return remote_pictures.shown_url(self.url)
        return self.text[:_MAX_SHOWN_CHARS]

    @property
    def facts(self) -> tuple[str, str]:
        """What a digest of the rows covers of it."""
        return (self.role.value, self.text)


@dataclass(frozen=True, slots=True)
class ShownImage:
    """An input image as a page shows it: a picture where it is ours or the site's, else its address."""

    label: str
    text: str
    #: Empty for an image on another server: no page sends its readers there.
    thumbnail: str = ""


def roles_for(version: TemplateVersion, image_model: ImageModel) -> list[InputRole]:
    """Return what the rows' images can be for, the role that the operation needs first.

    :raises InvalidJobRequest: if the model's adapter is unknown.
    """
    options = options_of(image_model, Operation(version.operation))
    if options.operation in MASK_OPERATIONS:
        return []
    roles = [role for role in ROLES if options.most_images(role)]
    if options.operation is Operation.GENERATE:
        # A new image is led by guides; what is changed is an edit.
        roles = [one for one in roles if one in {InputRole.STYLE, InputRole.CONTROL}]
    elif options.operation in _OF_ONE_IMAGE:
        roles = [one for one in roles if one is InputRole.IMAGE]
    needed = needed_role(version)
    return sorted(roles, key=lambda one: one is not needed)


def needed_role(version: TemplateVersion) -> InputRole | None:
    """Return what the template's operation needs an image for; None if it needs none of a row."""
    operation = Operation(version.operation)
    if operation is Operation.GENERATE:
        return None
    if operation is Operation.CONTROL:
        return None if fixed_guides(version) else InputRole.CONTROL
    return InputRole.IMAGE


def mapping_problem(
    version: TemplateVersion, image_model: ImageModel, images: Mapping[str, str]
) -> str:
    """Return why a batch with these input images cannot be made; empty if it can.

    :raises InvalidJobRequest: if the model's adapter is unknown.
    """
    named = {
        "operation": LABELS[Operation][Operation(version.operation)],
        "model": image_model.name,
    }
    if Operation(version.operation) in MASK_OPERATIONS:
        text = _("“%(operation)s” needs a mask for each image: it cannot be used for a batch.")
        return text % named
    roles = roles_for(version, image_model)
    needed = needed_role(version)
    if needed is not None and not images.get(needed.value):
        text = _("“%(operation)s” needs an input image for each row: choose where it is.")
        return text % named
    for role in images:
        if role not in [one.value for one in roles]:
            text = _("“%(model)s” takes no input image of this kind for “%(operation)s”: %(role)s.")
            return text % {**named, "role": dict(LABELS[InputRole]).get(InputRole(role), role)}
    return ""


def require_mapping(
    version: TemplateVersion, image_model: ImageModel, images: Mapping[str, str]
) -> None:
    """Require that a batch can be made with these input images.

    :raises InvalidJobRequest: if it cannot.
    """
    problem = mapping_problem(version, image_model, images)
    if problem:
        raise InvalidJobRequest(problem, field="images")


def images_of_cells(mapping: Mapping[str, str], cells: Mapping[str, str]) -> tuple[RowImage, ...]:
    """Return the images that a row of a table names; `mapping` leads from roles to columns."""
    return tuple(
        _image_of_cell(InputRole(role), cells.get(column, ""), column)
        for role, column in mapping.items()
    )


def images_of_objects(
    objects: Iterable[Model], mapping: Mapping[str, str]
) -> dict[str, tuple[RowImage, ...]]:
    """Return the images of objects by their keys; `mapping` leads from roles to paths of fields.

    With one query for each path to learn which of them were made here.
    """
    by_key = {str(row.pk): row for row in objects}
    rows = list(by_key.values())
    found: dict[str, list[RowImage]] = {key: [] for key in by_key}
    for role, path in mapping.items():
        steps, _dot, name = path.rpartition(".")
        holders = {str(row.pk): content_fields.object_at(row, steps) for row in rows}
        there = {key: one for key, one in holders.items() if isinstance(one, Model)}
        placed = pictures.placed_assets(list(there.values()), name) if there else {}
        for key, images in found.items():
            holder = there.get(key)
            asset = None if holder is None else placed.get(str(holder.pk))
            image = _image_of_field(InputRole(role), holder, name, asset)
            images.append(replace(image, owner=by_key[key]))
    return {key: tuple(images) for key, images in found.items()}


def _image_of_cell(role: InputRole, cell: str, column: str) -> RowImage:
    text = cell.strip()
    if not text:
        problem = _("The column “%(column)s” names no image.") % {"column": column}
        return RowImage(role, "", problem=problem)
    if len(text) > _MAX_CELL_CHARS:
        problem = _("The column “%(column)s” holds a text that is too long for an address.")
        return RowImage(role, text[:_MAX_CELL_CHARS], problem=problem % {"column": column})
    if remote_pictures.is_url(text):
        return RowImage(role, text, url=text, problem=remote_pictures.url_problem(text))
    try:
        return RowImage(role, text, asset=UUID(text))
    except ValueError:
        problem = _("“%(text)s” is neither an address with https:// nor the ID of an image.")
        return RowImage(role, text, problem=problem % {"text": text[:_MAX_SHOWN_CHARS]})


def _image_of_field(
    role: InputRole, holder: Model | None, name: str, asset: Asset | None
) -> RowImage:
    value: Any = getattr(holder, name, None)
    if isinstance(value, Asset):
        asset = value
    if asset is not None:
        return RowImage(role, str(asset.pk), asset=asset.pk)
    if holder is None or not isinstance(value, FieldFile) or not value:
        return RowImage(role, "", problem=_("The object has no image there."))
    origin = ContentOrigin(content_fields.field_path(type(holder), name), str(holder.pk))
    return RowImage(role, str(value.name), content=origin, file=value)


def planned_sources(
    actor: Actor, rows: Sequence[Sequence[RowImage]]
) -> Iterator[tuple[list[InputSource], str]]:
    """Yield for each row what stands for its images in a plan, and the first reason against it.

    With at most two queries for all rows; nothing is read or fetched.
    """
    keys = {image.asset for images in rows for image in images if image.asset is not None}
    assets = Asset.objects.in_bulk(list(keys)) if keys else {}
    usable: set[Any] = set(assets)
    if keys and isinstance(actor, Person):
        usable = set(
            use_of_assets.usable_assets(actor).filter(pk__in=keys).values_list("pk", flat=True)
        )
    for images in rows:
        problems = (one.problem or _content_problem(actor, one) for one in images)
        problem = next((text for text in problems if text), "")
        if not problem and any(one.asset is not None and one.asset not in usable for one in images):
            problem = _(
                "The image that the row names cannot be used: there is none, it was rejected or "
                "withdrawn, or it is not yours."
            )
        sources = [
            InputSource(
                role=one.role,
                asset=None if one.asset is None else assets.get(one.asset),
                content=one.content,
                planned=f"{one.role.value}:{one.text}",
                # That it may be used was asked above, for all rows with one query.
                is_reused=True,
            )
            for one in images
        ]
        yield ([] if problem else sources), problem


def read_sources(
    actor: Actor, images: Sequence[RowImage], *, fetched: Mapping[str, Fetched]
) -> list[InputSource]:
    """Return a row's input images with their bytes; assets are read when the request is composed.

    :raises InvalidJobRequest: if one cannot be used.
    :raises NotThereYet: if the file of one that was fetched is gone.
    :raises StorageUnavailable: if a file of the site cannot be read at present.
    """
    found = []
    for one in images:
        if one.problem:
            raise InvalidJobRequest(one.problem, field="inputs")
        if one.asset is not None:
            asset = Asset.objects.filter(pk=one.asset).first()
            if asset is None:
                raise InvalidJobRequest(_("The image no longer exists."), field="inputs")
            found.append(InputSource(role=one.role, asset=asset))
        elif one.url:
            found.append(_fetched_source(one, fetched[one.url]))
        else:
            found.append(_content_source(actor, one))
    return found


def _content_problem(actor: Actor, image: RowImage) -> str:
    """Return why a person may not use the image of an object, or of one that it is related to."""
    if image.file is None:
        return ""
    holder = image.file.instance
    if not access.may_change_content(actor, image.owner):
        text = _("You do not have permission to change “%(content)s”, whose image it is.")
        return text % {"content": str(image.owner)[:_MAX_SHOWN_CHARS]}
    if type(holder) is not type(image.owner) and not access.may_view_content(actor, type(holder)):
        text = _("You do not have permission to see “%(content)s”, whose image it is.")
        return text % {"content": str(holder)[:_MAX_SHOWN_CHARS]}
    return ""


def _fetched_source(image: RowImage, fetched: Fetched) -> InputSource:
    if fetched.problem:
        raise InvalidJobRequest(_(fetched.problem), field="inputs")
    try:
        data = fetched.read()
    except OSError:
        # Another worker of this process has used it, or somebody cleared the folder.
        raise NotThereYet from None
    return InputSource(role=image.role, data=data, found_at=remote_pictures.shown_url(image.url))


def _content_source(actor: Actor, image: RowImage) -> InputSource:
    problem = _content_problem(actor, image)
    if problem:
        raise InvalidJobRequest(problem, field="inputs")
    store = storage.GuardedStorage(image.file.storage)
    with refuse_on_storage_failure():
        if store.size(image.text) > MAX_INPUT_BYTES:
            raise InvalidJobRequest(_("An input image is too large."), field="inputs")
        data = store.read(image.text)
    return InputSource(role=image.role, data=data, content=image.content, found_at=image.text)


def urls_in(rows: Iterable[Sequence[RowImage]]) -> list[str]:
    """Return the addresses that are to be fetched for some rows, each once."""
    return list(
        dict.fromkeys(one.url for images in rows for one in images if one.url and not one.problem)
    )


def shown_images(actor: Actor, rows: Sequence[Sequence[RowImage]]) -> list[list[ShownImage]]:
    """Return rows' images as a page shows them to the actor, who may see the rows.

    What the actor may not use is named, and not shown.
    """
    usable: QuerySet[Asset] = Asset.objects.all()
    if isinstance(actor, Person):
        usable = use_of_assets.usable_assets(actor)
    keys = {one.asset for row in rows for one in row if one.asset is not None}
    assets: list[Asset] = []
    if keys:
        assets = list(usable.filter(pk__in=keys).prefetch_related("renditions"))
    by_key = {asset.pk: asset for asset in assets}
    return [[_shown(actor, one, by_key) for one in row] for row in rows]


def _shown(actor: Actor, image: RowImage, assets: Mapping[Any, Asset]) -> ShownImage:
    label = str(LABELS[InputRole][image.role])
    asset = None if image.asset is None else assets.get(image.asset)
    if asset is not None:
        return ShownImage(label, str(asset), delivery.preview_url(asset))
    if image.file is not None and not _content_problem(actor, image):
        url = pictures.held_url(image.file.instance, image.file.field.name)
        return ShownImage(label, image.shown.rpartition("/")[2], url)
    return ShownImage(label, image.shown)


def inputs_of(batch: Batch, assets: Iterable[Asset]) -> dict[Any, JobInput]:
    """Return the input image of each image of a batch by the first job of its row, with one query.

    Of several, the first; none where the rows of the batch have no input images.
    """
    if not batch.mapping.get(IMAGES):
        return {}
    jobs = {pass_chain.root_job(asset.job).pk for asset in assets}
    entries = JobInput.objects.filter(job__in=jobs, position=0).select_related("asset")
    rows: QuerySet[JobInput] = entries.prefetch_related("asset__renditions")
    return {one.job_id: one for one in rows}


def is_present(batch: Batch, entry: JobInput) -> bool:
    """Return whether an input image was taken from the field that the batch's images are for."""
    return bool(entry.content_origin) and entry.content_origin.get("field") == batch.mapping.get(
        "target"
    )


def reference_of(entry: JobInput) -> str:
    """Return what names an input image in an export: an address or a file's name, or an asset's ID."""
    return entry.found_at or ("" if entry.asset_id is None else str(entry.asset_id))


def names_by_job(jobs: Sequence[Any]) -> dict[Any, dict[str, str]]:
    """Return what named the input images of jobs, by job and role; what was erased is left out."""
    found: dict[Any, dict[str, str]] = {}
    for entry in JobInput.objects.filter(job__in=jobs).order_by("position") if jobs else ():
        name = reference_of(entry)
        if name:
            found.setdefault(entry.job_id, {}).setdefault(entry.role, name)
    return found
