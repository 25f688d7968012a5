"""Errors: what is told with them, and how foreign ones are known."""

from __future__ import annotations

from reconciler.errors import Diagnostic, ManifestError, Severity, is_panic


def test_a_panic_of_rust_is_known_by_its_name() -> None:
    """pyo3's class derives from BaseException and cannot be imported."""
    panic = type("PanicException", (BaseException,), {})
    assert is_panic(panic("gave up"))
    assert not is_panic(KeyboardInterrupt())


def test_problems_in_manifests_are_counted_without_warnings() -> None:
    """All diagnostics are kept in order, and only errors are counted."""
    wrong = Diagnostic("wrong", file="a.yaml")
    odd = Diagnostic("odd", severity=Severity.WARNING)
    assert str(ManifestError([wrong, odd])) == "1 problem in the manifests"
    assert ManifestError(iter([odd, wrong, wrong])).diagnostics == (odd, wrong, wrong)
