"""The audit log after an event was written: sealed, verified, exported, described and erased."""
