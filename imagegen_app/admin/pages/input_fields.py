"""The studio's fields for input images by role, and for LoRA; a model takes some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imagegen_app.core.limits import MAX_INPUT_BYTES, MAX_INPUTS
from imagegen_app.core.mask_drawings import MaskDrawing
from imagegen_app.core.types import ControlGuide, InputRole, Lora, Size
from imagegen_app.forms.fields import OfferedChoiceField
from imagegen_app.services.job_requests.input_formats import input_formats
from imagegen_app.services.job_requests.values import InputSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imagegen_app.core.capabilities import Capabilities
    from imagegen_app.services.job_requests.model_options import ModelOptions

#: Guides, and LoRA, that the form has fields for, at most.
MAX_GUIDES = 4
MAX_LORAS = 8
#: The fields of uploads that are not guides, and the role of their images.
FILE_ROLES = {
    "starts": InputRole.IMAGE,
    "references": InputRole.REFERENCE,
    "styles": InputRole.STYLE,
    "mask": InputRole.MASK,
}
#: Before the names of hidden values: how many files were chosen that are not sent along for a price.
PROMISED = "chosen_"
_MEGABYTE = 1024 * 1024
_GUIDE_PARTS = ("file", "kind", "weight", "start", "end")
#: A small picture that stands for an upload while the price is asked for: uploads are not sent along.
_STAND_IN = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000004000000040010000000082124c730000000f4944415478da63"
    "601805a3807c000002400001e04d1d440000000049454e44ae426082"
)


class _SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class UploadsField(forms.FileField):
    """Uploaded images; the size of each is checked before it is read, their number by the service."""

    widget = _SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> Any:
        files = data if isinstance(data, list | tuple) else [data] if data else []
        if len(files) > MAX_INPUTS + 1:
            raise ValidationError(
                _("At most %(most)s images can be handed in, not %(number)s.")
                % {"most": MAX_INPUTS, "number": len(files)}
            )
        for file in files:
            if file.size > MAX_INPUT_BYTES:
                raise ValidationError(
                    _("“%(name)s” is %(size)s MB; the limit is %(most)s MB. Choose a smaller file.")
                    % {
                        "name": file.name[:80],
                        "size": file.size // _MEGABYTE,
                        "most": MAX_INPUT_BYTES // _MEGABYTE,
                    }
                )
        return [super(UploadsField, self).clean(file, initial) for file in files]


#: A mask that stands for one that is not sent along: as large as the picture that stands in.
PROMISED_MASK = MaskDrawing(size=Size(64, 64), cells=frozenset({0}))


@dataclass(frozen=True, slots=True)
class FieldRow:
    """The fields of one guide, or of one LoRA, as the page shows them."""

    label: str
    fields: tuple[Any, ...]

    @property
    def is_filled(self) -> bool:
        """Whether one of its fields has a value, or an error."""
        return any(field.errors or field.value() for field in self.fields)


def input_fields(options: ModelOptions) -> dict[str, forms.Field]:
    """Return the fields of all roles; those that the model does not take are not shown.

    They are there nevertheless: what is sent for them is refused, and not dropped.
    """
    capabilities = options.capabilities
    fields: dict[str, forms.Field] = {
        "starts": _upload(
            _("Source images"),
            _("%(formats)s; at most %(most)s MB each. They are edited as the prompt says.")
            % {"formats": ", ".join(input_formats()), "most": MAX_INPUT_BYTES // _MEGABYTE},
            most=options.most_images(InputRole.IMAGE),
            role=InputRole.IMAGE,
        ),
        "mask": _upload(
            _("Mask"),
            _(
                "As large as the source image: white where it is to be changed, black where it stays."
            ),
            most=1,
            role=InputRole.MASK,
        ),
        "references": _upload(
            _("Reference images"),
            _("What they show can appear in the new image."),
            most=options.most_images(InputRole.REFERENCE),
            role=InputRole.REFERENCE,
        ),
        "styles": _upload(
            _("Style references"),
            _("The new image looks like them, and shows something else."),
            most=options.most_images(InputRole.STYLE),
            role=InputRole.STYLE,
        ),
    }
    for number in range(MAX_GUIDES):
        fields |= _guide_fields(number, capabilities)
    low, high = capabilities.lora_weights
    for number in range(MAX_LORAS):
        fields[f"lora_{number}"] = forms.CharField(
            label=_("Name"),
            required=False,
            max_length=200,
            widget=forms.TextInput(attrs={"dir": "ltr", "autocomplete": "off"}),
        )
        fields[f"lora_{number}_weight"] = _number(_("Weight"), low=low, high=high, usual="1")
    return fields


def roles_by_field() -> dict[str, InputRole]:
    """Return the role of the images of each field for uploads, by the field's name."""
    guides = {f"guide_{number}_file": InputRole.CONTROL for number in range(MAX_GUIDES)}
    return {**FILE_ROLES, **guides}


def promised_files(data: Any) -> dict[str, int]:
    """Return how many files were chosen for each field but not sent along."""
    found = {}
    for name in roles_by_field() if data is not None else ():
        number = str(data.get(PROMISED + name) or "")
        if number.isdecimal() and number != "0":
            found[name] = min(int(number[:3]), MAX_INPUTS + 1)
    return found


def given_inputs(
    data: Mapping[str, Any], *, promised: Mapping[str, int] | None = None
) -> list[InputSource]:
    """Return the uploads of a form as input images, in the order of their roles.

    `promised` are numbers of files that were chosen but not sent: each counts as a stand-in.
    """
    promised = promised or {}
    found = []
    for name, role in FILE_ROLES.items():
        found += [InputSource(role=role, data=_read(file)) for file in data.get(name) or ()]
        found += [_stand_in(role)] * promised.get(name, 0)
    for number in range(MAX_GUIDES):
        files = [_read(file) for file in data.get(f"guide_{number}_file") or ()]
        files += [_STAND_IN] * promised.get(f"guide_{number}_file", 0)
        guide = _guide(data, number)
        found += [InputSource(role=InputRole.CONTROL, data=one, guide=guide) for one in files]
    return found


def _stand_in(role: InputRole) -> InputSource:
    if role is InputRole.MASK:
        return InputSource(role=role, drawing=PROMISED_MASK)
    return InputSource(role=role, data=_STAND_IN)


def given_loras(data: Mapping[str, Any]) -> list[Lora]:
    """Return the LoRA that have a name."""
    return [
        Lora(name, number_of(data, f"lora_{number}_weight", 1.0))
        for number in range(MAX_LORAS)
        if (name := str(data.get(f"lora_{number}") or "").strip())
    ]


def lora_values(
    loras: Sequence[Mapping[str, Any]], *, fixed: Sequence[Lora] = ()
) -> Iterator[tuple[str, Any]]:
    """Yield the fields that show the LoRA of an earlier job, behind those that a template fixes."""
    names = {one.name for one in fixed}
    others = [lora for lora in loras if lora.get("name") not in names]
    for number, lora in enumerate(others[: MAX_LORAS - len(fixed)], start=len(fixed)):
        yield f"lora_{number}", lora.get("name", "")
        yield f"lora_{number}_weight", lora.get("weight", 1.0)


def incomplete_rows(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of rows that have values, but not the one that they belong to, and why."""
    for number in range(MAX_GUIDES):
        has_values = any(data.get(f"guide_{number}_{part}") for part in _GUIDE_PARTS[1:])
        if has_values and not data.get(f"guide_{number}_file"):
            yield f"guide_{number}_file", _("Choose the image of this guide, or clear its values.")
    for number in range(MAX_LORAS):
        if data.get(f"lora_{number}_weight") is not None and not data.get(f"lora_{number}"):
            yield f"lora_{number}", _("Name the LoRA of this weight, or clear it.")


def guide_rows(form: forms.Form, *, most: int) -> list[FieldRow]:
    """Return the rows of guides that are shown: as many as the model takes, or as have values."""
    rows = [
        FieldRow(
            _("Guide %(number)s") % {"number": number + 1},
            tuple(form[f"guide_{number}_{part}"] for part in _GUIDE_PARTS),
        )
        for number in range(MAX_GUIDES)
    ]
    return [_without_kind(row) for n, row in enumerate(rows) if n < most or row.is_filled]


def lora_rows(form: forms.Form, *, most: int) -> list[FieldRow]:
    """Return the rows of LoRA that are shown: as many as the model takes, or as have values."""
    rows = [
        FieldRow(_lora_label(form, number), (form[f"lora_{number}"], form[f"lora_{number}_weight"]))
        for number in range(MAX_LORAS)
    ]
    return [row for number, row in enumerate(rows) if number < most or row.is_filled]


def _lora_label(form: forms.Form, number: int) -> str:
    label = _("LoRA %(number)s") % {"number": number + 1}
    is_fixed = form.fields[f"lora_{number}"].disabled
    return f"{label} · {_('Fixed by the template.')}" if is_fixed else label


def _without_kind(row: FieldRow) -> FieldRow:
    """Leave out the kind of a guide where there is none to choose from."""
    file, kind, *others = row.fields
    has_kinds = len(kind.field.choices) > 1 or kind.value()
    return row if has_kinds else FieldRow(row.label, (file, *others))


def _guide_fields(number: int, capabilities: Capabilities) -> dict[str, forms.Field]:
    name = f"guide_{number}"
    kinds = [(kind, kind.replace("_", " ")) for kind in capabilities.control_kinds]
    return {
        f"{name}_file": _upload(_("Image"), "", most=1, role=InputRole.CONTROL),
        f"{name}_kind": OfferedChoiceField(
            label=_("Kind"), required=False, choices=[("", _("As usual")), *kinds]
        ),
        f"{name}_weight": _number(_("Weight"), low=0, high=10, usual="1"),
        f"{name}_start": _number(_("Start"), low=0, high=1, usual="0"),
        f"{name}_end": _number(_("End"), low=0, high=1, usual="1"),
    }


def _upload(label: str, help_text: str, *, most: int, role: InputRole) -> UploadsField:
    attrs: dict[str, Any] = {
        "accept": ",".join(input_formats().values()),
        "data-most-bytes": MAX_INPUT_BYTES,
        "data-role": role.value,
        "data-most": most,
        "data-too-large": _("“%(name)s” is too large: at most %(most)s MB are accepted.")
        % {"name": "{name}", "most": MAX_INPUT_BYTES // _MEGABYTE},
    }
    if most == 1:
        attrs["multiple"] = False
    elif most:
        limit = _("At most %(most)s images.") % {"most": most}
        help_text = f"{help_text} {limit}".strip()
    return UploadsField(
        label=label, help_text=help_text, required=False, widget=_SeveralFiles(attrs=attrs)
    )


def _number(label: str, *, low: float, high: float, usual: str) -> forms.Field:
    # The service checks the limits, and says what is wrong.
    attrs = {"min": f"{low:g}", "max": f"{high:g}", "step": "any", "placeholder": usual}
    return forms.FloatField(label=label, required=False, widget=forms.NumberInput(attrs=attrs))


def _guide(data: Mapping[str, Any], number: int) -> ControlGuide:
    name = f"guide_{number}"
    return ControlGuide(
        kind=str(data.get(f"{name}_kind") or ""),
        weight=number_of(data, f"{name}_weight", 1.0),
        start=number_of(data, f"{name}_start", 0.0),
        end=number_of(data, f"{name}_end", 1.0),
    )


def number_of(data: Mapping[str, Any], name: str, usual: float) -> float:
    """Return a number of a form that may be unfinished; the usual one for what is none."""
    try:
        return float(data.get(name) or usual) if data.get(name) != 0 else 0.0
    except ValueError:
        return usual


def _read(file: Any) -> bytes:
    file.seek(0)
    data: bytes = file.read(MAX_INPUT_BYTES + 1)
    return data
