"""Limit everything that comes from outside; units are in the names (characters, bytes) or said."""

from __future__ import annotations

#: A complete prompt, in characters: the most that a model of the shipped adapters accepts.
MAX_PROMPT_CHARS = 32_000
#: A template's source, in characters.
MAX_TEMPLATE_CHARS = 8_000
#: The rendered text of a template, in characters.
MAX_RENDERED_CHARS = 8_000
#: One variable's value, in characters.
MAX_VARIABLE_CHARS = 2_000
#: Variables of one template.
MAX_VARIABLES = 40
#: Shots of one template.
MAX_SHOTS = 30
#: A shot's short name, its name for people and its text, in characters.
MAX_SHOT_KEY_CHARS = 24
MAX_SHOT_LABEL_CHARS = 60
MAX_SHOT_TEXT_CHARS = 1_000
#: An alternative text, in characters.
MAX_ALT_CHARS = 500
#: Control images of one template.
MAX_FIXED_GUIDES = 4
#: The instruction of an edit pass, in characters; a model may accept fewer.
MAX_INSTRUCTION_CHARS = 1000
#: Images that one job may request.
MAX_COUNT = 10
#: Of the name that a person gives a session of the studio.
MAX_SESSION_NAME_CHARS = 80
#: Input images of one job.
MAX_INPUTS = 16
#: One uploaded or referenced input image, in bytes.
MAX_INPUT_BYTES = 25 * 1024 * 1024
#: A webhook's body, in bytes.
MAX_WEBHOOK_BYTES = 256 * 1024
#: An idempotency key, in characters.
MAX_KEY_CHARS = 128
#: Jobs of one grid or of alternatives in a prompt, which are made at once.
MAX_GRID_CELLS = 36
