"""Find the colour profile that describes an image's pixels, whichever way its file states it.

A file may hold an ICC profile, the code points of H.273 (`cICP`, `nclx`), or primaries and a gamma
(`cHRM`, `gAMA`). The latter are written as an ICC profile, so that there is one way to convert.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from imagegen_app.imaging.errors import InvalidImage

if TYPE_CHECKING:
    from imagegen_app.imaging.ancillary import Ancillary

_Vector = tuple[float, float, float]
_Matrix = tuple[_Vector, _Vector, _Vector]

_D65 = (0.3127, 0.3290)
#: White, red, green and blue by the number of the colour primaries.
_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_SRGB_PRIMARIES = _PRIMARIES[1]
#: sRGB's curve as the parameters of an ICC `para` curve: g, a, b, c, d.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
#: By the number of the transfer characteristics. What video calls BT.709 is shown with sRGB's
#: curve, as image viewers do.
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 13, 14, 15), _SRGB_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
}
#: Their pixels are light levels of a bright screen: without tone mapping they look grey.
_HDR = {16: "hdr_pq", 18: "hdr_hlg"}
#: A gamma this near to 1/2.2 means sRGB, as in libpng.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 1 / 2.2, 0.05
_MIN_GAMMA, _MAX_GAMMA = 0.1, 10.0

#: More does not fit into the numbers of a profile.
_FIXED_LIMIT = 32_000.0
_D50: _Vector = (0.96422, 1.0, 0.82521)
_BRADFORD: _Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


def profile_of(ancillary: Ancillary, *, is_grey: bool) -> bytes:
    """Return the ICC profile of the pixels; empty for sRGB and where the file says nothing usable.

    `is_grey` is whether the pixels have one channel.

    :raises InvalidImage: if the pixels are HDR (PQ or HLG), which cannot be converted.
    """
    if ancillary.code_points:
        primaries, transfer = ancillary.code_points
        if transfer in _HDR:
            raise InvalidImage(_HDR[transfer])
        if primaries in _PRIMARIES and transfer in _CURVES:
            return _written(_PRIMARIES[primaries], _CURVES[transfer], is_grey=is_grey)
    if ancillary.icc_profile or ancillary.is_srgb:
        return ancillary.icc_profile
    gamma = ancillary.gamma if _MIN_GAMMA <= ancillary.gamma <= _MAX_GAMMA else 0.0
    if not gamma and not ancillary.chromaticities:
        return b""
    is_srgb_curve = not gamma or abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE
    curve = _SRGB_CURVE if is_srgb_curve else (1 / gamma,)
    return _written(ancillary.chromaticities or _SRGB_PRIMARIES, curve, is_grey=is_grey)


def _written(primaries: tuple[float, ...], curve: tuple[float, ...], *, is_grey: bool) -> bytes:
    """Return an ICC profile (version 4); empty if the primaries make no colour space."""
    try:
        colorants = _colorants(primaries)
    except ZeroDivisionError:
        return b""
    kind = 0 if len(curve) == 1 else 3
    trc = b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(map(_fixed, curve))
    tags = {b"wtpt": _xyz(_D50)}
    if is_grey:
        tags[b"kTRC"] = trc
    else:
        for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
            if any(abs(value) >= _FIXED_LIMIT for value in colorant):
                return b""
            tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz(colorant), trc
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = (
        *(struct.pack(">I", start + len(body)), bytes(4), b"\4\x30\0\0", b"mntr"),
        *(b"GRAY" if is_grey else b"RGB ", b"XYZ ", struct.pack(">6H", 2026, 1, 1, 0, 0, 0)),
        *(b"acsp", bytes(28), b"".join(map(_fixed, _D50)), bytes(48)),
    )
    return b"".join(header) + table + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: _Vector) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, value))


def _colorants(primaries: tuple[float, ...]) -> tuple[_Vector, _Vector, _Vector]:
    """Return the XYZ of red, green and blue, adapted to D50."""
    white, *corners = (_from_xy(*primaries[i : i + 2]) for i in range(0, 8, 2))
    columns = _transposed((corners[0], corners[1], corners[2]))
    amounts = _applied(_inverse(columns), white)
    cone_white, cone_d50 = _applied(_BRADFORD, white), _applied(_BRADFORD, _D50)
    scale = [after / before for before, after in zip(cone_white, cone_d50, strict=True)]
    back = _inverse(_BRADFORD)

    def adapted(corner: _Vector, amount: float) -> _Vector:
        cone = _applied(_BRADFORD, (corner[0] * amount, corner[1] * amount, corner[2] * amount))
        return _applied(back, (cone[0] * scale[0], cone[1] * scale[1], cone[2] * scale[2]))

    red, green, blue = (adapted(c, a) for c, a in zip(corners, amounts, strict=True))
    return red, green, blue


def _from_xy(x: float, y: float) -> _Vector:
    return x / y, 1.0, (1 - x - y) / y


def _applied(matrix: _Matrix, vector: _Vector) -> _Vector:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def _transposed(matrix: _Matrix) -> _Matrix:
    first, second, third = zip(*matrix, strict=True)
    return first, second, third


def _inverse(matrix: _Matrix) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        (
            (e * i - f * h) / determinant,
            (c * h - b * i) / determinant,
            (b * f - c * e) / determinant,
        ),
        (
            (f * g - d * i) / determinant,
            (a * i - c * g) / determinant,
            (c * d - a * f) / determinant,
        ),
        (
            (d * h - e * g) / determinant,
            (b * g - a * h) / determinant,
            (a * e - b * d) / determinant,
        ),
    )
