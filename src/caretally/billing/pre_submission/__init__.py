"""Checks before the claim: likely denials, looked for in the finished claim and in what is on file.

The rules have decided already; these checks look again, from the other end. They are named in
mappings/pre-submission.toml with the payers' codes; a new one is a row there and a function here.
"""

from __future__ import annotations

from caretally.billing.pre_submission.run import CHECKS, filing_of, pre_submission, with_checks
from caretally.billing.pre_submission.submission import Submission

__all__ = ["CHECKS", "Submission", "filing_of", "pre_submission", "with_checks"]
