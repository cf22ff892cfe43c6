"""What a person reads: explanations and summaries made from determinations, never from the source again."""
