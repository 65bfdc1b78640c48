"""Keep large images within the memory of a decoder process: in bands, and in cheaper formats."""

from __future__ import annotations

from PIL import Image, ImageOps

from imagegen_app.imaging import colour
from imagegen_app.imaging.errors import PILLOW_ERRORS, InvalidImage

#: Images with at most this many pixels are converted at once.
_AT_ONCE_PIXELS = 8_000_000
_BAND_PIXELS = 2_000_000
_EXIF_ORIENTATION = 0x0112
#: Bytes that an encoder and the pixels may take together.
MAX_ENCODING_BYTES = 420 * 1024 * 1024
#: Of each pixel of Pillow's.
_PIXEL = 4
#: Bytes of each pixel that encoders take beside the pixels, with and without alpha, measured with
#: 39 megapixels: AVIF in full colour, as for masters, and with half of it, as for renditions.
_AVIF_MASTER, _AVIF_MASTER_ALPHA = 37, 40
_AVIF, _AVIF_ALPHA = 25, 29
_WEBP, _WEBP_ALPHA, _WEBP_LOSSLESS = 7, 20, 29
#: Large JPEGs are written without the passes that hold all coefficients.
_JPEG, _JPEG_ALPHA = 1, 6


def normalise(
    image: Image.Image,
    *,
    orientation: int,
    at_once_pixels: int = _AT_ONCE_PIXELS,
    band_pixels: int = _BAND_PIXELS,
) -> Image.Image:
    """Do what `colour.normalise` does, and close the image; a large one is converted in bands.

    The steps of a conversion hold up to four images at once; of a band, that is little.

    :raises InvalidImage: if the pixels cannot be converted.
    """
    if image.width * image.height <= at_once_pixels:
        plain = colour.normalise(image, orientation=orientation)
        image.close()
        return plain
    try:
        plain = _in_bands(image, band_pixels=band_pixels)
        image.close()
        if plain.mode == "RGBA" and plain.getchannel("A").getextrema() == (255, 255):
            plain = plain.convert("RGB")
        plain.getexif()[_EXIF_ORIENTATION] = orientation
        ImageOps.exif_transpose(plain, in_place=True)
        plain.info = {}
    except MemoryError as error:
        raise InvalidImage("too_much_memory", detail="MemoryError") from error
    except PILLOW_ERRORS as error:
        raise InvalidImage("damaged", detail=type(error).__name__) from error
    return plain


def _in_bands(image: Image.Image, *, band_pixels: int) -> Image.Image:
    width, height = image.size
    plain = Image.new("RGBA" if image.has_transparency_data else "RGB", image.size)
    rows = max(1, band_pixels // width)
    for top in range(0, height, rows):
        box = (0, top, width, min(height, top + rows))
        band = colour.normalise(image.crop(box), orientation=1)
        # An opaque band has lost its alpha.
        plain.paste(band if band.mode == plain.mode else band.convert(plain.mode), box)
    return plain


def is_within_memory(
    image: Image.Image, name: str, *, is_master: bool = False, is_lossless: bool = False
) -> bool:
    """Return whether the image can be encoded in the format within a decoder process's memory."""
    has_alpha = image.mode == "RGBA"
    if name == "png":
        extra = 0
    elif name == "jpeg":
        extra = _JPEG_ALPHA if has_alpha else _JPEG
    elif name == "webp":
        extra = _WEBP_LOSSLESS if is_lossless else _WEBP_ALPHA if has_alpha else _WEBP
    elif is_master:
        extra = _AVIF_MASTER_ALPHA if has_alpha else _AVIF_MASTER
    else:
        extra = _AVIF_ALPHA if has_alpha else _AVIF
    return image.width * image.height * (_PIXEL + extra) <= MAX_ENCODING_BYTES


def master_format(image: Image.Image, name: str, *, is_lossless: bool) -> str:
    """Return the format of the master: the source's own, or one that takes less memory.

    AVIF and WebP encoders take up to ten times the pixels: a large master becomes a PNG if it has
    alpha or was lossless, else a JPEG.
    """
    if is_within_memory(image, name, is_master=True, is_lossless=is_lossless):
        return name
    return "png" if is_lossless or image.mode == "RGBA" or name == "png" else "jpeg"
