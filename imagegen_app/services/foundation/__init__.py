"""What every use case stands on: the transaction, the audit event, the clock and the wake-up."""
