"""Cap all that comes from outside. Sizes in characters or bytes as named."""

from __future__ import annotations

#: A rendered prompt, in characters; the widest that a seeded provider takes.
MAX_PROMPT_CHARS = 32_000
#: A template's source, in characters.
MAX_TEMPLATE_CHARS = 8_000
#: What a template may render to, in characters.
MAX_RENDERED_CHARS = 8_000
#: One variable's value, in characters.
MAX_VARIABLE_CHARS = 2_000
MAX_VARIABLES = 40
MAX_ALT_CHARS = 500
#: Images of one job.
MAX_COUNT = 10
MAX_INPUTS = 16
#: One uploaded or referenced input image, in bytes.
MAX_INPUT_BYTES = 25 * 1024 * 1024
#: A webhook's body, in bytes.
MAX_WEBHOOK_BYTES = 256 * 1024
#: An idempotency key, in characters.
MAX_KEY_CHARS = 128
