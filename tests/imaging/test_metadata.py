from __future__ import annotations

import struct
import zlib
from dataclasses import fields, replace
from xml.etree import ElementTree as ET

import pytest

from imagegen_app.imaging.inspect import InvalidImage
from imagegen_app.imaging.metadata import (
    DATA_MINING_PROHIBITED,
    MAX_WRITTEN,
    ReadXmpFields,
    XmpFields,
    build_xmp,
    parse_xmp,
    read_xmp,
)
from imagegen_app.imaging.pipeline import Qualities, encode

from . import sample_images
from .sample_images import MARKS, encoded, picture

QUALITIES = Qualities(avif_speed=10, webp_method=0)


def packet_around(inner: str, *, before: str = "") -> bytes:
    return (
        before + '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:p="http://ns.adobe.com/photoshop/1.0/">'
        + inner
        + "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_written_metadata_is_read_back_from_every_format(name: str) -> None:
    data = encode(picture(), name, marks=MARKS, qualities=QUALITIES).data

    read = read_xmp(data)

    for written in fields(XmpFields):
        if written.name != "data_mining_prohibited":
            assert getattr(read, written.name) == getattr(MARKS, written.name), written.name
    assert read.data_mining == DATA_MINING_PROHIBITED
    assert read.problem == ""


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_a_file_without_metadata_claims_nothing(name: str) -> None:
    assert read_xmp(encoded(picture(), name)).is_empty


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_the_longest_prompt_fits_every_format(name: str) -> None:
    marks = replace(MARKS, prompt="語&" * 40_000, credit="&" * 5000)
    assert len(build_xmp(marks)) <= MAX_WRITTEN

    data = encode(picture(), name, marks=marks, qualities=QUALITIES).data

    read = read_xmp(data)
    assert read.prompt.startswith("語&語&")
    assert read.digital_source_type == MARKS.digital_source_type


def test_the_packet_is_xml_with_the_names_of_iptc() -> None:
    root = ET.fromstring(build_xmp(MARKS))  # noqa: S314 - our own packet

    iptc = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
    properties = {element.tag: element.text for element in root.iter()}
    assert properties[iptc + "DigitalSourceType"] == MARKS.digital_source_type
    assert properties[iptc + "AISystemUsed"] == MARKS.ai_system
    assert properties[iptc + "AISystemVersionUsed"] == MARKS.ai_system_version
    assert properties[iptc + "AIPromptInformation"] == sample_images.SPECIAL_TEXT
    assert properties[iptc + "AIPromptWriterName"] == "Zoë O'Neill"
    assert properties["{http://ns.useplus.org/ldf/xmp/1.0/}DataMining"] == DATA_MINING_PROHIBITED


def test_an_empty_field_is_not_written() -> None:
    packet = build_xmp(XmpFields(digital_source_type="http://a", ai_system="b"))

    assert b"AIPromptInformation" not in packet
    assert b"DataMining" not in packet


def test_characters_that_xml_cannot_contain_are_left_out() -> None:
    marks = replace(MARKS, prompt="a\x00b\x0bc\ud800d\uffffe\r\nf\x9bg", credit="]]>")

    read = parse_xmp(build_xmp(marks))

    assert read.prompt == "abcde\nfg"
    assert read.credit == "]]>"


def test_a_derived_file_has_the_same_document_id_and_another_instance_id() -> None:
    first, again, other = (MARKS.for_derived(name) for name in ("a", "a", "b"))

    assert first == again
    assert len({first.instance_id, other.instance_id, MARKS.instance_id}) == 3
    assert first.document_id == other.document_id == MARKS.document_id


def test_the_prompt_is_not_printed() -> None:
    assert sample_images.SPECIAL_TEXT not in repr(MARKS) + repr(parse_xmp(build_xmp(MARKS)))


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
)


@pytest.mark.parametrize(
    "hostile",
    [
        packet_around("<p:Credit>&a9;</p:Credit>", before=LAUGHS + "]>"),
        packet_around("<p:Credit>&x;</p:Credit>", before='<!DOCTYPE x SYSTEM "http://127.0.0.1/">'),
        packet_around(
            "<p:Credit>&x;</p:Credit>",
            before='<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        ),
        packet_around("<p:Credit>&undefined;</p:Credit>"),
        packet_around("<e:a>" * 100_000),
        packet_around("<e:a/>" * 100_000),
        packet_around("<p:Credit>open"),
        packet_around("<p:Credit>a</p:Credit>").replace(b"Credit>a", b"Credit>\xff\xfe"),
        packet_around("<p:Credit>a</p:Credit>").decode().encode("utf-16")[:-9],
        b"\0" * 1000,
        b"x" * 2_000_000,
    ],
)
def test_a_hostile_packet_is_refused_and_says_why(hostile: bytes) -> None:
    read = parse_xmp(hostile)

    assert read.is_empty
    assert read.problem


def test_untrusted_values_are_cleaned_and_limited_in_length() -> None:
    inner = "<p:Credit>&lt;script&gt;" + "x" * 90_000 + "</p:Credit>"

    read = parse_xmp(packet_around(inner))

    assert read.credit.startswith("<script>x")
    assert len(read.credit) == 1000


def test_other_xmp_notations_of_a_property_are_read() -> None:
    attribute = packet_around("").replace(b"<rdf:Description", b'<rdf:Description p:Credit="C"')
    alternatives = packet_around(
        "<p:Credit><rdf:Alt><rdf:li>C</rdf:li></rdf:Alt></p:Credit><e:Unknown>x</e:Unknown>"
    )

    assert parse_xmp(attribute) == ReadXmpFields(credit="C")
    assert parse_xmp(alternatives) == ReadXmpFields(credit="C")


@pytest.mark.parametrize(("repeat", "expected"), [(1, "C"), (60_000_000, "")])
def test_a_compressed_packet_is_read_up_to_the_limit(repeat: int, expected: str) -> None:
    packer = zlib.compressobj(9)
    packed = packer.compress(packet_around("<p:Credit>C</p:Credit>") + b" " * repeat)
    chunk = b"XML:com.adobe.xmp\0\x01\0\0\0" + packed + packer.flush()
    data = encoded(picture(), "png")

    read = read_xmp(data[:33] + sample_images.png_chunk(b"iTXt", chunk) + data[33:])

    assert read.credit == expected


@pytest.mark.parametrize("name", sample_images.FORMATS)
def test_damaged_files_raise_no_unexpected_error(name: str) -> None:
    data = encode(picture(), name, marks=MARKS, qualities=QUALITIES).data

    for length in range(12, min(len(data), 3000), 13):
        try:
            read = read_xmp(data[:length])
        except InvalidImage:
            continue
        assert read.credit in {"", MARKS.credit}


def test_a_segment_longer_than_the_file_is_not_read() -> None:
    data = b"\xff\xd8\xff\xe1" + struct.pack(">H", 60_000) + b"http://ns.adobe.com/xap/1.0/\0<x/>"

    assert read_xmp(data) == ReadXmpFields()


def test_metadata_is_read_from_images_only() -> None:
    with pytest.raises(InvalidImage):
        read_xmp(b"<html></html>")
