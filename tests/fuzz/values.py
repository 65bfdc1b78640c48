"""Values that no parameter should hold, and that none may answer with an error of ours."""

from __future__ import annotations

#: What is put into a parameter, as the bytes of its value.
VALUES: tuple[bytes, ...] = (
    b"\0",
    b"\0",
    b"a\0b",
    b"\xff\xfe\xc3",
    "\ud83d\ude00".encode("utf-8", "surrogatepass"),
    b"9" * 5000,
    str(10**30).encode(),
    b"-1",
    b"0",
    b"1e400",
    b"NaN",
    b"99999-99-99",
    b"0000-01-01",
    b"10000-01-01T00:00:00",
    b"99999",
    "٣²".encode(),
    b"[" * 20_000,
    b'{"a":' * 3000,
    b"{{ product }}" + b" | upper" * 1500,
    b"x" * 70_000,
    b"a\r\nSet-Cookie: a=b",
    b"00000000-0000-0000-0000-000000000000",
    b"__proto__'\"><%00../..",
    b"",
    # In UTC this is the year before the first.
    b"0001-01-01T00:00:00+14:00",
    b"9999-12-31 23:59:59",
    # Halves of a pair and NUL, which only appear when the JSON is read.
    b'"\\ud800"',
    b'[{"a": "\\ud800\\u0000"}]',
    b'{"\\ud800": [1e999, NaN]}',
)
