"""The examples of Google's tuning tutorial, for the first manifests of both kinds."""

from __future__ import annotations

PAIRS = (
    ("1", "2"), ("3", "4"), ("-3", "-2"), ("twenty two", "twenty three"),
    ("two hundred", "two hundred one"), ("ninety nine", "one hundred"), ("8", "9"), ("-98", "-97"),
    ("1,000", "1,001"), ("10,100,000", "10,100,001"), ("thirteen", "fourteen"),
    ("eighty", "eighty one"), ("one", "two"), ("three", "four"), ("seven", "eight"), ("25", "26"),
    ("-1", "0"), ("forty five", "forty six"), ("three hundred", "three hundred one"),
    ("nineteen", "twenty"),
)  # fmt: skip
"""The last five are not the tutorial's: Google advises 20 or more."""
