"""Public signals, for sites that want to react; sent after the change is committed.

Each receiver gets ids, not rows, and an error in one harms neither the change nor the others.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A job reached an end. Arguments: `job_id` (UUID), `state` (str).
job_finished = Signal()
#: An asset was made. Arguments: `asset_id` (UUID), `job_id` (UUID).
asset_created = Signal()
#: A person decided about an asset. Arguments: `asset_id` (UUID), `review` (str).
asset_reviewed = Signal()
#: An asset was placed in content. Arguments: `placement_id` (int), `asset_id` (UUID).
placement_created = Signal()
