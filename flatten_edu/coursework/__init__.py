"""Exercises that find the mistake: `check.focus(my_focus)` says what is wrong and how it looks.

result = check.focus(my_focus)     # shows itself; .passed, .mistake, .message
check.focus.hint(1)                # three steps, on request
check                              # the list
"""

from .checks import Checks

check = Checks()

__all__ = ["check"]
