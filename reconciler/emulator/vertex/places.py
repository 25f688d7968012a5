"""Where things are: Gemini 3.x is tuned in two regions, and its tuned models serve in multi-regions only.

Live runs and Google's page say so of us-central1 and `us`. That models from europe-west4 are in `eu` follows
from the page, but nobody has shown it.
"""

from reconciler.emulator.settings import Settings

MULTI_REGIONS = ("us", "eu")
REGIONS_OF_GEMINI_3 = ("us-central1", "europe-west4")


def is_gemini_3(base: str) -> bool:
    """Whether a base model is one of Gemini 3.x."""
    return base.startswith("gemini-3")


def is_split(settings: Settings, base: str) -> bool:
    """Whether what is tuned from a base model is in a multi-region, and its job in a region."""
    return is_gemini_3(base) and settings.vertex_gemini_3_place == "multi_region"


def choose_location(settings: Settings, base: str, region: str) -> str:
    """Return the location of what a job makes that tunes *base* in a *region*."""
    return _find_multi_region(region) if is_split(settings, base) else region


def is_near(location: str, region: str) -> bool:
    """Whether a job in a *region* can tune a model further that is in *location*."""
    return location in {region, _find_multi_region(region)}


def can_serve(settings: Settings, base: str, location: str) -> bool:
    """Whether an endpoint in *location* can serve what was tuned from *base*."""
    return location in MULTI_REGIONS or not is_split(settings, base)


def can_answer(settings: Settings, base: str, location: str) -> bool:
    """Whether a base model itself answers in *location*."""
    return location == "global" or can_serve(settings, base, location)


def _find_multi_region(region: str) -> str:
    return "eu" if region.startswith("europe-") else "us"
