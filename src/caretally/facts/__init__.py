"""The vocabulary of care-management billing: plain, frozen facts that every other room speaks in."""
