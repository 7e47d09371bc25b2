"""Tests have the same names in every process, or workers that share them could not agree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.long
def test_no_name_holds_an_address_of_memory():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300).stdout
    names = [line for line in told.splitlines() if "::" in line]
    assert len(names) > 1000
    assert not [name for name in names if " at 0x" in name]
