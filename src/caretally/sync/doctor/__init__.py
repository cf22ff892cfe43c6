"""What a server can and cannot do for us: named checks, each with what it means for billing and how to mend it."""
