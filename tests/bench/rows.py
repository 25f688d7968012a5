"""The rows of the table: what is run side by side, and what is asked of each. Data only."""

from __future__ import annotations

from dataclasses import dataclass

OURS, FLOOR, TERRAFORM, JSON, EVENTS = "ours", "floor", "Terraform", "standard json", "PyYAML's C events"
PROVIDER = "Terraform + Go provider"


@dataclass(frozen=True, slots=True)
class Beside:
    """Another program that is run in turn with ours.

    Attributes:
        arguments: of `floor.py`, or of terraform. {manifests}, {url} and {data} stand for what they name.
        resources: what Terraform's folder is: see `worlds.make_terraform`, or "provided" for `make_provided`.
        rounds: how often it is run: Terraform takes minutes for what takes us seconds.
    """

    name: str
    arguments: tuple[str, ...]
    resources: str = ""
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked of the medians of our seconds, or of our largest peak.

    At most `factor` times the seconds of `of`, and `seconds` more. `of` is another program of the row, or the
    key of another row, whose own run counts; "" for nothing. `instead` counts where `of` did not run; {of} in
    the words stands for the one that counts. `peak` is in MiB. Nothing is asked if there is only `of`: it is
    shown how many times as fast we are.
    """

    words: str
    of: str = ""
    factor: float = 0.0
    seconds: float = 0.0
    peak: float = 0.0
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        key: its name in the JSON and on the command line.
        work: what it is, in words.
        world, size: see `worlds`; "" for none. A world "new" is of models that are not there yet.
        ours: the arguments of our command.
        forgotten: a file that is removed before each of our runs.
        seconds: how long a training takes.
        quick: the size in the quick mode; 0 leaves the row out.
    """

    key: str
    work: str
    ours: tuple[str, ...]
    world: str = ""
    size: int = 0
    beside: tuple[Beside, ...] = ()
    goals: tuple[Goal, ...] = ()
    rounds: int = 5
    forgotten: str = ""
    seconds: float = 0.0
    quick: int = 0


_SHORT = ("-no-color", "-input=false")
_HELP = Beside(TERRAFORM, ("-help",), "planned", rounds=15)
_CACHE = "state/data-cache.json"


def _compare_plans(rounds: int, *arguments: str) -> tuple[Beside, ...]:
    """Return what a plan is compared with; Terraform's is run so many times."""
    return (
        Beside(FLOOR, ("plan", "{manifests}", "{url}")),
        Beside(PROVIDER, ("plan", *_SHORT, *arguments), "provided", rounds),
        Beside(TERRAFORM, ("plan", *_SHORT, *arguments), "planned", rounds),
    )


def _faster(times: int) -> tuple[Goal, ...]:
    """Ask that we are so many times as fast as Terraform that asks the service, and show it alone too."""
    return (
        Goal(f"{times}x as fast as {{of}}", PROVIDER, 1 / times, instead=TERRAFORM),
        Goal("no goal: Terraform alone, which asks no service", TERRAFORM),
    )


def _plan(size: int, *goals: Goal, terraform: int, quick: int = 0) -> Row:
    """Compare a plan with nothing to do; Terraform's is run so many times."""
    beside = _compare_plans(terraform)
    floor = Goal("at most 2.0x the floor", FLOOR, 2.0)
    work = f"plan, nothing to do, {size:,} models"
    return Row(f"plan-{size}", work, ("plan",), "models", size, beside, (floor, *goals), quick=quick)


def _apply(size: int, seconds: float, work: str, *goals: Goal, quick: int = 0) -> Row:
    """Compare an apply of new models."""
    resources = "sleeping" if seconds else "new"
    beside = (Beside(TERRAFORM, ("apply", *_SHORT, "-auto-approve"), resources, 1),)
    ours = ("apply", "--auto-approve")
    key = f"apply-{size}"
    return Row(
        key,
        work,
        ours,
        "new",
        size,
        beside,
        goals,
        seconds=seconds,
        quick=quick,
        forgotten="state/default.json",
    )


ROWS = (
    Row(
        "help", "--help", ("--help",), beside=(_HELP,), rounds=15, quick=1,
        goals=(Goal("at most 1.4x terraform -help", TERRAFORM, 1.4),),
    ),
    Row(
        "validate-1", "validate, 1 manifest", ("validate",), "models", 1, (_HELP,), rounds=15, quick=1,
        goals=(Goal("at most 3.5x terraform -help", TERRAFORM, 3.5),),
    ),
    _plan(1_000, *_faster(12), terraform=5, quick=1_000),
    _plan(5_000, *_faster(15), Goal("at most 110 MiB", peak=110), terraform=3),
    _plan(10_000, Goal("at most 170 MiB", peak=170), terraform=1),
    Row(
        "drift-1000", "drift, 1,000 models", ("drift",), "models", 1_000, _compare_plans(5, "-refresh-only"),
        (Goal("at most 2.0x the floor", FLOOR, 2.0),),
        quick=1_000,
    ),
    Row("jobs-100", "plan, nothing to do, 100 tuning jobs", ("plan",), "jobs", 100, quick=100),
    Row(
        "validate-10000", "validate, 10,000 manifests", ("validate",), "models", 10_000,
        (Beside(EVENTS, ("events", "{manifests}")),), (Goal("at most 1.2 s", seconds=1.2),), quick=1_000,
    ),
    Row(
        "data-first", "data set of 203 MB, first time", ("validate",), "data", 203,
        (Beside(JSON, ("json", "{data}")),),
        (Goal("4.5x as fast as the standard json", JSON, 1 / 4.5),), forgotten=_CACHE, quick=10,
    ),
    Row(
        "data-again", "the same, unchanged", ("validate",), "data", 203, quick=10,
        goals=(Goal("within 0.3 s of validate, 1 manifest", "validate-1", 1.0, 0.3),),
    ),
    _apply(
        200, 2.0, "apply, 200 models that train 2 s",
        Goal("at most 1.15x 2 s, and a start (--help)", "help", 1.0, 2.3), quick=20,
    ),
    _apply(100, 0.0, "apply, 100 models that train at once", quick=100),
    _apply(
        1_000, 0.0, "apply, 1,000 models that train at once",
        Goal("at most 1.5 s", seconds=1.5), Goal("at most 11x that of 100", "apply-100", 11.0),
    ),
)  # fmt: skip
