"""Convert every kind of pixels to upright 8-bit sRGB, with or without alpha."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage

_PROFILE_ERRORS: tuple[type[BaseException], ...] = (ImageCms.PyCMSError, *PILLOW_ERRORS)
_MAX_PROFILE_BYTES = 4 * 1024 * 1024
#: What makes an image upright, by its EXIF orientation.
_TRANSPOSITIONS = {
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
        transposition = _TRANSPOSITIONS.get(orientation)
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


def flatten(image: Image.Image) -> Image.Image:
    """Return the image on a white background, without alpha."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion would clip at 255 instead of scaling.
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    elif image.mode in {"P", "PA", "1", "La", "LA", "RGBa"}:
        image = image.convert("RGB")
    colour = image.convert("RGB") if alpha is not None else image
    converted = _through_profile(colour, profile) or colour.convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted if converted is not image else image.copy()


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Return the image converted from its ICC profile to sRGB; None if that is not possible."""
    if not profile or len(profile) > _MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).strip().startswith("sRGB"):
            return None
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except MemoryError:
        raise
    except _PROFILE_ERRORS:
        # A damaged or unsupported profile is ignored; the caller converts without it.
        return None
