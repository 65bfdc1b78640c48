"""Write and read the XMP metadata that marks an image file as generated.

Names are those of IPTC Photo Metadata 2025.1 and of XMP. IPTC-IIM has no field for any of this
and is not written. What is read is untrusted text: it is limited in length and cleaned.
"""

from __future__ import annotations

import html
import io
import re
import uuid
from dataclasses import dataclass, field, fields, replace
from xml.parsers import expat

from PIL import Image

from imagegen_app.imaging import containers
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage
from imagegen_app.imaging.inspect import sniff

#: The PLUS term that prohibits use of the image for training AI models.
DATA_MINING_PROHIBITED = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"
#: The longest packet that we write, in bytes; a JPEG can hold 65,500 at most.
MAX_WRITTEN = 32 * 1024
#: The longest packet that we read, in bytes.
MAX_READ = 1024 * 1024

_MAX_FIELD = 1000
_MAX_PROMPT = 20_000
_MAX_DEPTH = 64
_MAX_ELEMENTS = 50_000

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_SPACES = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
}
#: The properties by the field that holds them.
_PROPERTIES = {
    "digital_source_type": "Iptc4xmpExt:DigitalSourceType",
    "ai_system": "Iptc4xmpExt:AISystemUsed",
    "ai_system_version": "Iptc4xmpExt:AISystemVersionUsed",
    "prompt": "Iptc4xmpExt:AIPromptInformation",
    "prompt_writer": "Iptc4xmpExt:AIPromptWriterName",
    "data_mining": "plus:DataMining",
    "creator_tool": "xmp:CreatorTool",
    "created": "xmp:CreateDate",
    "document_id": "xmpMM:DocumentID",
    "instance_id": "xmpMM:InstanceID",
    "credit": "photoshop:Credit",
}
_FIELD_OF = {
    _SPACES[prefix] + " " + local: name
    for name, prefix, local in (
        (name, *qualified.split(":")) for name, qualified in _PROPERTIES.items()
    )
}
# What XML 1.0 cannot contain: control characters, lone surrogates, the two non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class XmpFields:
    """What we write into an image's metadata about how it was created."""

    #: A full URI of IPTC's vocabulary, see `core.source_types`.
    digital_source_type: str
    ai_system: str
    ai_system_version: str = ""
    #: The software that wrote the file.
    creator_tool: str = "imagegen_app"
    #: The same for all renditions of an image.
    document_id: str = ""
    #: Unique for each file.
    instance_id: str = ""
    #: Empty unless the site's settings publish prompts.
    prompt: str = field(default="", repr=False)
    prompt_writer: str = field(default="", repr=False)
    credit: str = ""
    #: Whether to state that the image must not be used to train AI models.
    data_mining_prohibited: bool = False
    #: When the image was generated, as ISO 8601 in UTC.
    created: str = ""

    def for_derived(self, name: str) -> XmpFields:
        """Return the fields for a derived file: the same document id, another instance id.

        `name` identifies the derived file, such as `webp-640`; the same name gives the same id.
        """
        space = uuid.uuid5(uuid.NAMESPACE_URL, self.document_id + "#" + self.instance_id)
        return replace(self, instance_id=f"xmp.iid:{uuid.uuid5(space, name)}")


@dataclass(frozen=True, slots=True)
class ReadXmpFields:
    """What a file's metadata claims; untrusted text, cleaned and limited in length."""

    digital_source_type: str = ""
    ai_system: str = ""
    ai_system_version: str = ""
    creator_tool: str = ""
    document_id: str = ""
    instance_id: str = ""
    prompt: str = field(default="", repr=False)
    prompt_writer: str = field(default="", repr=False)
    credit: str = ""
    data_mining: str = ""
    created: str = ""
    #: Why a packet that is there could not be read; empty otherwise.
    problem: str = ""

    @property
    def is_empty(self) -> bool:
        """Return whether the file claims nothing."""
        return not any(getattr(self, f.name) for f in fields(self) if f.name != "problem")


def clean(text: str, *, cap: int = _MAX_FIELD) -> str:
    """Return the text without what XML cannot contain, cut to `cap` characters."""
    cleaned = _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return cleaned if len(cleaned) <= cap else cleaned[: cap - 1] + "\N{HORIZONTAL ELLIPSIS}"


def build_xmp(marks: XmpFields) -> bytes:
    """Return the fields as an XMP packet; the longest values are cut until it fits the limit."""
    values = {name: clean(str(getattr(marks, name, ""))) for name in _PROPERTIES}
    values["prompt"] = clean(marks.prompt, cap=_MAX_PROMPT)
    values["data_mining"] = DATA_MINING_PROHIBITED if marks.data_mining_prohibited else ""
    packet = _packet(values)
    while len(packet) > MAX_WRITTEN:
        name = max(values, key=lambda field_name: len(values[field_name].encode()))
        values[name] = clean(values[name], cap=max(1, len(values[name]) * 3 // 4))
        packet = _packet(values)
    return packet


def _packet(values: dict[str, str]) -> bytes:
    lines = [
        f"<{_PROPERTIES[name]}>{html.escape(value, quote=False)}</{_PROPERTIES[name]}>"
        for name, value in values.items()
        if value
    ]
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in _SPACES.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" {spaces}>'
        + "".join(lines)
        + '</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def read_xmp(data: bytes) -> ReadXmpFields:
    """Return what the XMP metadata of a PNG, JPEG, WebP or AVIF claims.

    :raises InvalidImage: if the bytes are in none of the four formats.
    """
    name = sniff(data)
    packet = _avif_packet(data) if name == "avif" else b""
    packet = packet or containers.xmp_packet(data, name, cap=MAX_READ)
    return parse_xmp(packet) if packet else ReadXmpFields()


def _avif_packet(data: bytes) -> bytes:
    """Return the XMP packet of an AVIF; opening the file parses its boxes and decodes nothing."""
    try:
        with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
            packet = image.info.get("xmp", b"")
    except PILLOW_ERRORS as error:
        raise InvalidImage("damaged", detail=type(error).__name__) from error
    return packet if isinstance(packet, bytes) and len(packet) <= MAX_READ else b""


class _Refused(Exception):
    """The packet contains a document type or is nested too deeply."""


class _Collector:
    """Collects the text of the properties in `_PROPERTIES` and ignores all else."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._stack: list[str] = []
        self._open = ""
        self._depth = 0
        self._text: list[str] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._stack.append(name)
        self._elements += 1
        if len(self._stack) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise _Refused("is nested too deeply")
        if name == f"{_RDF} Description" and not self._open:
            for key, value in attributes.items():
                self._store(_FIELD_OF.get(key, ""), value)
        if name in _FIELD_OF and not self._open:
            self._open, self._depth, self._text = name, len(self._stack), []

    def end(self, _name: str) -> None:
        if self._open and len(self._stack) == self._depth:
            self._store(_FIELD_OF[self._open], "".join(self._text))
            self._open = ""
        self._stack.pop()

    def text(self, text: str) -> None:
        if self._open:
            self._text.append(text)

    def refuse(self, *_: object) -> None:
        raise _Refused("contains a document type")

    def _store(self, name: str, value: str) -> None:
        value = clean(value, cap=_MAX_PROMPT if name == "prompt" else _MAX_FIELD).strip()
        if name and value:
            self.values.setdefault(name, value)


def parse_xmp(packet: bytes) -> ReadXmpFields:
    """Parse an untrusted packet; refuses document types, entities, deep nesting and long packets.

    Raises nothing: an invalid packet gives a result whose `problem` says why.
    """
    if len(packet) > MAX_READ:
        return ReadXmpFields(problem="The metadata is too long.")
    collector = _Collector()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = collector.start
    parser.EndElementHandler = collector.end
    parser.CharacterDataHandler = collector.text
    # Entities can only be declared in a document type, so refusing it refuses them all.
    parser.StartDoctypeDeclHandler = collector.refuse
    parser.EntityDeclHandler = collector.refuse
    try:
        parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, _Refused, ValueError) as error:
        detail = str(error) if isinstance(error, _Refused) else "is not well-formed"
        return ReadXmpFields(problem=f"The metadata {detail}.")
    return ReadXmpFields(**collector.values)
