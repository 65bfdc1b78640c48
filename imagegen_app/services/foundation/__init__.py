"""What every use case needs: the transaction, audit events, the clock and wake-ups."""
