"""The rules: facts and tables in, determinations out. Pure: no I/O, no clock, no logging."""

from caretally.rules.context import RuleContext
from caretally.rules.determine import determine
from caretally.rules.double_booking import double_bookings
from caretally.rules.gates import GATES

__all__ = ["GATES", "RuleContext", "determine", "double_bookings"]
