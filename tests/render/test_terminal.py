"""Text for a terminal: escapes, cells, wrapping and colours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.terminal import (
    UNLIMITED,
    Paint,
    count_cells,
    cut,
    escape,
    escape_lines,
    pad,
    quote,
    wrap,
    wrap_items,
)
from tests.render.strategies import texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066\u200e\ufeff", "\\u2066\\u200e\\ufeff"),
        ("line\u2028end", "line\\u2028end"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("字 é 😀 نمی‌خواهم", "字 é 😀 نمی‌خواهم"),
        ("👩‍💻", "👩‍💻"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    """Characters that control a terminal or reorder text are escaped. Scripts and emoji stay."""
    assert escape(text) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_survives(text: str) -> None:
    """Only joiners are left of control, format, surrogate and separator characters.

    UTF-8 can write the rest.
    """
    shown = escape(text)
    assert not [
        one
        for one in shown
        if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and one not in "\u200c\u200d"
    ]
    shown.encode("utf-8")


@given(st.text(alphabet='\n\\n"x\x1b1b', max_size=6), st.text(alphabet='\n\\n"x\x1b1b', max_size=6))
def test_quoted_tells_texts_apart(one: str, other: str) -> None:
    """Two different texts never look the same in quotes."""
    assert (quote(one) == quote(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("字字", 4), ("é", 1), ("e\u0301", 1), ("😀", 2), ("☎\ufe0f", 2), ("", 0)]
)
def test_cells(text: str, width: int) -> None:
    """East Asian characters and emoji take two columns. Combining marks take none."""
    assert count_cells(text) == width


@given(texts.map(escape), st.integers(1, 100))
def test_cut_fits(text: str, width: int) -> None:
    """A cut text is never wider than asked, and ends in an ellipsis only if something was taken."""
    short = cut(text, width)
    assert count_cells(short) <= width
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [("abcdef", 6, "abcdef"), ("abcdef", 3, "ab…"), ("字字", 3, "字…"), ("字字", 2, "…"), ("abcdef", 1, "…")],
)
def test_a_cut_is_marked(text: str, width: int, short: str) -> None:
    """An ellipsis stands for the part that was cut. It stands alone if there is room for nothing else."""
    assert cut(text, width) == short


def test_cut_without_a_limit_keeps_all() -> None:
    """Width 0 means no limit."""
    assert cut("x" * 500, UNLIMITED) == "x" * 500


@given(texts.map(escape), st.integers(20, 100))
def test_wrap_keeps_words_and_width(text: str, width: int) -> None:
    """Wrapping loses no character but spaces, and only a whole ASCII word may be wider than the line."""
    lines = list(wrap(text, width, indent="  ", hanging="    "))
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        assert count_cells(line) <= width or (" " not in line.strip() and line.isascii())


def test_items_stay_whole() -> None:
    """A line is broken between two items. An item that is too long is broken at its spaces."""
    items = ("age 12d", "base gemini-3.5-flash", "a remark that has no room in one line")
    assert list(wrap_items(items, 24, indent="  ")) == [
        "  age 12d,",
        "  base gemini-3.5-flash,",
        "  a remark that has no",
        "  room in one line",
    ]
    assert list(wrap_items(items[:2], UNLIMITED, mark=";")) == ["age 12d; base gemini-3.5-flash"]


def test_wrap_breaks_a_sentence_without_spaces() -> None:
    """A script that knows no spaces is broken at the width."""
    assert [count_cells(line) for line in wrap("字" * 50, 40)] == [40, 40, 20]


def test_pad_counts_cells() -> None:
    """Columns line up behind wide characters."""
    assert count_cells(pad("字", 6)) == 6


def test_paint_is_silent_without_colour() -> None:
    """Without colour, there is no escape sequence."""
    assert Paint(colour=False)("x", "red", "bold") == "x"
    assert Paint(colour=True)("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"


def test_a_long_text_keeps_its_lines_and_nothing_else() -> None:
    """Line ends and tabs stay. Characters that control a terminal are escaped."""
    text = "one\r\ntwo\tthree\n\x1b]0;pwned\x07\x1b[31mred\rover\u202e\ud800"
    assert escape_lines(text) == ("one\ntwo\tthree\n\\x1b]0;pwned\\x07\\x1b[31mred\\rover\\u202e\\ud800")
