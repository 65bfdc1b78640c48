"""Convert every kind of pixels to upright 8-bit sRGB, with or without alpha."""

from __future__ import annotations

import io
from itertools import product

from PIL import Image, ImageChops, ImageCms, ImageMath

from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage

_PROFILE_ERRORS: tuple[type[BaseException], ...] = (ImageCms.PyCMSError, *PILLOW_ERRORS)
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
_SRGB = ImageCms.createProfile("sRGB")
_GREY_MODES = frozenset({"L", "I", "I;16", "I;16B", "I;16L"})
#: Modes that are neither grey, RGB nor CMYK.
_OTHER_MODES = frozenset({"P", "PA", "1", "La", "RGBa", "RGBX", "YCbCr", "HSV", "LAB", "F"})
#: Levels of 255: less is rounding.
_INVISIBLE = 2
#: What makes an image upright, by its EXIF orientation.
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def normalise(image: Image.Image, *, orientation: int) -> Image.Image:
    """Return the image upright, as RGB or RGBA in sRGB, and without metadata.

    `orientation` is the EXIF value, 1 to 8.

    :raises InvalidImage: if the pixels cannot be converted.
    """
    profile = image.info.get("icc_profile", b"")
    try:
        plain = _to_srgb(image, profile if isinstance(profile, bytes) else b"")
        transposition = TRANSPOSITIONS.get(orientation)
        if transposition is not None:
            plain = plain.transpose(transposition)
    except MemoryError as error:
        raise InvalidImage("too_much_memory", detail="MemoryError") from error
    except PILLOW_ERRORS as error:
        raise InvalidImage("damaged", detail=type(error).__name__) from error
    if plain.mode == "RGBA" and plain.getchannel("A").getextrema() == (255, 255):
        plain = plain.convert("RGB")
    # Emptied, since encoders write the metadata that they find here.
    plain.info = {}
    return plain


def is_plain(image: Image.Image) -> bool:
    """Return whether the pixels are sRGB already; the image was opened by `open_checked`."""
    profile = image.info.get("icc_profile", b"")
    # One pixel is enough: whether to convert does not depend on the pixels.
    return image.mode == "RGB" and _through_profile(Image.new("RGB", (1, 1)), profile) is None


def flatten(image: Image.Image) -> Image.Image:
    """Return the image on a white background, without alpha."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    colour, alpha = _parted(image)
    converted = _through_profile(colour, profile) or to_eight_bits(colour).convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted if converted is not image else image.copy()


def _parted(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours in a mode that profiles apply to, and the alpha channel if there is one."""
    if not image.has_transparency_data:
        return (image.convert("RGB") if image.mode in _OTHER_MODES else image), None
    if image.mode.startswith("I"):
        # Pillow's own conversion ignores a transparent level of 16 bits.
        level = image.info["transparency"]
        opaque = ImageMath.lambda_eval(
            lambda names: names["convert"]((names["grey"] != level) * 255, "L"),
            grey=image.convert("I"),
        )
        return image, opaque
    if image.mode in {"L", "LA"}:
        return image.convert("L"), image.convert("RGBA").getchannel("A")
    whole = image.convert("RGBA")
    return whole.convert("RGB"), whole.getchannel("A")


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits scaled to 8; others as they are."""
    if not image.mode.startswith("I"):
        return image
    # Pillow's own conversion would clip at 255 instead of scaling.
    return image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the image converted from its ICC profile to sRGB; None where it needs no conversion.

    A damaged or unsuitable profile is ignored.
    """
    if not profile or len(profile) > _MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _mode_for(image, space=source.profile.xcolor_space.strip())
        if not mode:
            return None
        if image.mode != mode:
            image = to_eight_bits(image).convert(mode)
        # Optimised, a transform reads too few points of a curve for 16 bits: dark levels halve.
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "I;16" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB", flags=flags)
        if mode == "RGB" and _is_identity(transform):
            return None
        return transform.apply(image)
    except MemoryError:
        raise
    except _PROFILE_ERRORS:
        return None


def _mode_for(image: Image.Image, *, space: str) -> str:
    """Return the pixel mode in which a profile of that colour space applies; empty if it does not."""
    is_grey = image.mode in _GREY_MODES
    if space == "GRAY" and is_grey:
        return "I;16" if image.mode == "I;16" else "L"
    if space == "RGB" and (is_grey or image.mode == "RGB"):
        return "RGB"
    return "CMYK" if space == "CMYK" == image.mode else ""


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a conversion changes no colour visibly: then the pixels stay as they are.

    A profile is judged by what it does. Its description proves nothing: there are linear profiles
    that are called sRGB.
    """
    levels = range(0, 256, 15)
    colours = bytes(level for pixel in product(levels, repeat=3) for level in pixel)
    probe = Image.frombytes("RGB", (len(levels) ** 2, len(levels)), colours)
    difference = ImageChops.difference(probe, transform.apply(probe))
    return max(high for _, high in difference.getextrema()) <= _INVISIBLE  # type: ignore[misc]
