"""From what somebody asks for to a committed job: composed, priced, checked and created."""
