"""Public signals, for sites that want to react; sent after the change is committed.

Receivers get ids, not rows. An exception in one receiver is logged; it undoes nothing and stops
no other receiver.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A job reached an end. Arguments: `job_id` (UUID), `state` (str).
job_finished = Signal()
#: An asset was created. Arguments: `asset_id` (UUID), `job_id` (UUID).
asset_created = Signal()
#: An asset was approved, rejected or withdrawn. Arguments: `asset_id` (UUID), `review_state` (str).
asset_reviewed = Signal()
#: An asset was placed in content. Arguments: `placement_id` (int), `asset_id` (UUID).
placement_created = Signal()
#: A copy of a withdrawn image was deleted from content, with the thumbnails that easy-thumbnails
#: made of it; other thumbnailers delete theirs now. Arguments: `placement_id` (int), `asset_id`
#: (UUID), `name` (str, of the file in its storage).
copy_deleted = Signal()
