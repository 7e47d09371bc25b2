"""What the course needs of a machine, looked at piece by piece, each finding with what to do.

    report = examine()        # .ok, .findings; shows itself
    flatten-edu doctor        # the same on the command line

Nothing here imports torch into this process: a broken one is a finding, not the end.
"""

from .examination import examine
from .finding import Finding, Report

__all__ = ["Finding", "Report", "examine"]
