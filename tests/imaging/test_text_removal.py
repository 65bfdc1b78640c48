from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from imagegen_app.imaging import text_removal
from imagegen_app.imaging.metadata import XmpFields, build_xmp, read_xmp

TEXT = "A portrait of Ada <Byron> & “the countess”"


def saved(name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.linear_gradient("L").convert("RGB").resize((40, 30))
    image.save(out, name, **options)
    return out.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.tobytes()


def with_text(name: str) -> bytes:
    """Return a file that holds the text in each place that its format has for texts."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    packet = f"<x:xmpmeta><dc:title>{TEXT}</dc:title></x:xmpmeta>".encode()
    exif = Image.Exif()
    exif[0x010E] = TEXT
    options: dict[str, object] = {"exif": exif.tobytes(), "icc_profile": profile}
    if name == "PNG":
        note = PngImagePlugin.PngInfo()
        note.add_text("a", "Ada Byron of Ockham", zip=True)
        note.add_itxt("b", TEXT, zip=True)
        note.add_itxt("c", TEXT)
        options["pnginfo"] = note
    elif name == "JPEG":
        options |= {"comment": TEXT.encode(), "xmp": packet}
    else:
        options["xmp"] = packet
    return saved(name, **options)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_a_file_loses_its_texts_and_no_pixel(name: str) -> None:
    data = with_text(name)
    assert text_removal.has_text(data, [TEXT])

    plain = text_removal.without_metadata(data)

    assert not text_removal.has_text(plain, [TEXT, "Ada Byron of Ockham"])
    assert pixels(plain) == pixels(data)
    with Image.open(io.BytesIO(plain)) as image:
        image.load()
        assert image.info.get("icc_profile")
        assert not image.getexif()


def test_a_text_that_is_compressed_in_a_png_is_found() -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("parameters", TEXT.replace("“", "").replace("”", "") * 20, zip=True)

    assert text_removal.has_text(saved("PNG", pnginfo=note), ["A portrait of Ada <Byron> & the"])


def test_a_format_whose_metadata_cannot_be_taken_out_is_refused() -> None:
    with pytest.raises(text_removal.TextNotRemovable, match="avif"):
        text_removal.without_metadata(saved("AVIF"))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_property_is_blanked_where_it_stands(name: str) -> None:
    marks = XmpFields(
        digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        ai_system="Sandbox",
        prompt=TEXT + "x" * 200,
        prompt_writer="ada",
        credit=f"Made for {TEXT}",
    )
    packet = build_xmp(marks)
    if name == "PNG":
        note = PngImagePlugin.PngInfo()
        note.add_itxt("XML:com.adobe.xmp", packet.decode())
        data = saved(name, pnginfo=note)
    else:
        data = saved(name, xmp=packet)

    changed = text_removal.blank_properties(data, [TEXT], writer=False)

    assert len(changed) == len(data)
    assert not text_removal.has_text(changed, [TEXT])
    found = read_xmp(changed)
    assert (found.prompt, found.credit, found.problem) == ("", "", "")
    assert (found.prompt_writer, found.ai_system) == ("ada", "Sandbox")
    assert found.digital_source_type == marks.digital_source_type
    assert pixels(changed) == pixels(data)
    assert read_xmp(text_removal.blank_properties(data, [], writer=True)).prompt_writer == ""
