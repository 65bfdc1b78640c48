"""The audit log once events are recorded: seal, sign, verify, export and describe."""
