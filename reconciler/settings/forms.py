"""Parses the values of settings: each form takes a trimmed text, and returns the value or raises FormError.

Rule: an error never repeats the value. The caller decides whether the value may be shown.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from datetime import date

from reconciler import bounds
from reconciler.errors import NotJSONError
from reconciler.formats import UNITS
from reconciler.settings.hosts import parse_url
from reconciler.settings.secrecy import CONTROLS, has_login

Form = Callable[[str], str]
"""From a trimmed text to the value; raises FormError."""

DAY = 86400
SHORTEST_LEASE = 4.0
"""Seconds."""
LOCATION = "[a-z]+(?:-[a-z]+[0-9]+)?"
PROJECT = "[a-z0-9][a-z0-9:.-]{0,62}"

_ALONE = "Set the variable to the key or the token alone. Often it was read from a file that holds more."
_SENDABLE = re.compile(r"[\x21-\x7e]+")


class FormError(Exception):
    """The value of a setting is malformed.

    Attributes:
        what: the fault, which follows the setting's name: "is not a number of seconds".
        advice: what to write.
        shows: whether its value may be repeated.
    """

    def __init__(self, what: str, advice: str = "", *, shows: bool = True) -> None:
        super().__init__(what)
        self.what, self.advice, self.shows = what, advice, shows


def refuse_quotes(text: str) -> str:
    """Refuse a text in quotation marks."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise FormError(
            "stands in quotation marks",
            "Remove them: a shell takes quotation marks away, but what set this variable did not.",
        )
    return text


def build_form(find_fault: Callable[[str], tuple[str, str] | None]) -> Form:
    """Make the form of a text in which `find_fault` finds no fault, that is: no reason and advice."""

    def check(text: str) -> str:
        fault = find_fault(text)
        if fault:
            raise FormError(*fault, shows=not CONTROLS.search(text))
        return text

    return check


def build_pattern_form(pattern: str, what: str, advice: str) -> Form:
    """Make the form of a text that matches a pattern."""
    return build_form(lambda text: None if re.fullmatch(pattern, text, re.ASCII) else (what, advice))


def build_seconds_form(least: float, fault: str, advice: str = "Write it like 90, 90s or 2m.") -> Form:
    """Make the form of seconds (90, 1.5, 1e3) or a duration (90s, 2m), from `least` up to a day."""

    def check(text: str) -> str:
        found = re.fullmatch(r"([0-9+.][0-9+._e-]*)([smh]?)", text, re.ASCII | re.IGNORECASE)
        try:
            number = float(found[1]) * UNITS[found[2].lower() or "s"] if found else math.nan
        except ValueError:
            number = math.nan
        if not least <= number <= DAY:
            raise FormError(fault, advice)
        return repr(number)

    return check


def parse_count(text: str) -> str:
    """Parse a whole number that fits a counter."""
    if not re.fullmatch("[0-9]{1,6}", text, re.ASCII):
        raise FormError("is not a whole number from 0 to 999999", "Write digits only.")
    return text


def parse_secret(text: str) -> str:
    """Parse a credential as a header holds it: printable ASCII without blanks."""
    if re.match(r"(?i)bearer\s", text):
        raise FormError("begins with 'Bearer'", "Leave that word out: it is added to the request.")
    if not _SENDABLE.fullmatch(text):
        raise FormError("holds a space, a line break or another character that no credential has", _ALONE)
    if text[0] == "{":
        raise FormError("holds a JSON text", "Set it to the key or the token alone.")
    return text


def parse_line(text: str) -> str:
    """Parse any text without control characters."""
    if CONTROLS.search(text):
        raise FormError("holds a line break or another control character", "Set it again.", shows=False)
    return text


def parse_day(text: str) -> str:
    """Parse a day in ISO form."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise FormError("is not a date", "Write YEAR-MONTH-DAY: 2027-01-31.")


def parse_base64_key(text: str) -> str:
    """Parse a key in base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormError("is not a key in base64", "Copy it whole, without what stands around it.") from error
    return text


def parse_shared_access(text: str) -> str:
    """Parse a shared access signature: a query, with or without its question mark."""
    text = parse_secret(text).removeprefix("?")
    if not all("=" in part for part in text.split("&")):
        raise FormError("is not a shared access signature", "It looks like sv=…&sig=….")
    return text


def parse_connection(text: str) -> str:
    """Parse Azure's connection string. Each part has the form of the variable for the same value."""
    parse_line(text)
    parts = split_connection(text)
    if not parts.get("AccountName"):
        raise FormError("is not a connection string", "It looks like AccountName=…;AccountKey=….")
    for name, form in (
        ("AccountName", account),
        ("AccountKey", parse_base64_key),
        ("SharedAccessSignature", parse_shared_access),
        ("BlobEndpoint", parse_address),
    ):
        if name in parts:
            try:
                form(parts[name])
            except FormError as error:
                raise FormError(f"is cut off or mistyped: its {name} {error.what}", error.advice) from error
    return text


def split_connection(text: str) -> dict[str, str]:
    """Split "Key=value;Key=value"; a value may hold further equal signs."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def parse_address(text: str) -> str:
    """Parse the http(s) address of a service: no login, no query; a final slash is dropped."""
    parts = parse_url(text)
    if parts is None or has_login(text):
        raise FormError(
            "is not a usable address: it must be http(s)://host[:port][/path], without user name or spaces",
            "Correct it.",
        )
    if parts.query or parts.fragment or text[-1] in "?#":
        raise FormError(
            "must not carry a query or a fragment",
            "Leave out everything from '?' or '#' on; an API key belongs into GEMINI_API_KEY.",
        )
    return text.rstrip("/")


def parse_api_address(text: str) -> str:
    """Parse the address of one of Google's APIs, without the version, which each request adds."""
    found = parse_address(text)
    version = re.search(r"/(v1|v1beta|v1beta1|v1alpha)$", found)
    if version:
        raise FormError(
            f"ends with the API's version, {version[1]}",
            f"Write {found[: version.start()]}, because each request adds the version.",
        )
    return found


def parse_address_or_host(text: str) -> str:
    """Parse an address. Without a scheme it is http://, as in Google's libraries."""
    return parse_address(text if "://" in text else f"http://{text}")


def parse_proxy(text: str) -> str:
    """Parse the address of a proxy, with or without scheme and login."""
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", text)
    scheme = text[: len(text) - len(bare)].lower()
    if scheme not in {"", "http://", "https://"}:
        raise FormError(
            "is not an http:// or https:// proxy", "Other proxies are not spoken to.", shows=False
        )
    login, _, host = bare.rpartition("@")
    if parse_url(f"http://{host}") is None or re.search(r"[\s/?#@\\\x00-\x20]", login):
        raise FormError(
            "is not the address of a proxy",
            "Write http://USER:PASSWORD@HOST:PORT, with '/', '#', '?', '@' and '%' of a password as %2F, "
            "%23, %3F, %40 and %25.",
            shows=False,
        )
    return text


seconds = build_seconds_form(math.ulp(0.0), f"is not a number of seconds above 0 and up to {DAY}")
seconds_or_zero = build_seconds_form(0.0, f"is not a number of seconds from 0 up to {DAY}")
lease = build_seconds_form(
    SHORTEST_LEASE,
    f"is not a duration of at least {SHORTEST_LEASE:g}s, and at most a day",
    "Write it like 60s or 2m. The lock is renewed every quarter of it.",
)
account = build_pattern_form("[a-z0-9]{1,63}", "is not the name of a storage account", "It has a-z and 0-9.")
region = build_pattern_form("[a-z0-9-]{1,63}", "is not a region", "Write one like eu-west-1.")
method = build_pattern_form("[A-Za-z]{1,20}", "is not a method of HTTP", "Write one like POST.")
flag = build_pattern_form(
    "(?i:1|t|true|0|f|false)", "is neither true nor false", "Write true, or leave it out."
)
scopes = build_pattern_form(
    r"[\x21-\x7e]+(?:[,\s]+[\x21-\x7e]+)*,?", "is not a list of scopes", "Write commas between them."
)


def find_location_fault(text: str) -> tuple[str, str] | None:
    """Say why a text is not a region or multi-region of Google Cloud, and what to do; None if it is one."""
    if re.fullmatch(LOCATION, text, re.ASCII):
        return None
    zone = re.fullmatch(r"([a-z]+-[a-z]+[0-9]+)-[a-z]", text, re.ASCII)
    if zone:
        return "is a zone, not a location", f"Write the zone's region: {zone[1]}."
    if re.fullmatch(LOCATION, text.lower(), re.ASCII):
        return "is not a location", f"Write it in lower case: {text.lower()}."
    return "is not a location", "Write one like us-central1."


def find_project_fault(text: str) -> tuple[str, str] | None:
    """Say why a text is not a project's id or number, and what to write; None if it is one."""
    if re.fullmatch(PROJECT, text, re.ASCII):
        return None
    bare = text.removeprefix("projects/")
    if bare != text and re.fullmatch(PROJECT, bare, re.ASCII):
        return "is not a project", f"Leave out projects/: write {bare}."
    return "is not a project", "Write its id or its number, not its display name (gcloud projects list)."


location = build_form(find_location_fault)
project = build_form(find_project_fault)


def parse_hosts(text: str) -> str:
    """Parse comma-separated hosts to lower case; *.HOST means all hosts below HOST."""
    found = [host.strip().lower().removesuffix(".") for host in text.split(",") if host.strip()]
    for host in found:
        bare = host.removeprefix("*.")
        if not _is_host(bare) or (host != bare and "." not in bare):
            raise FormError(
                "is not a list of hosts",
                "Write names of hosts with commas between, without https:// and port; *.example.com is all "
                "below example.com.",
            )
    return ",".join(host.strip("[]") for host in found)


def parse_days(text: str) -> str:
    """Parse comma-separated NAME=YYYY-MM-DD. Nothing after the = takes the day of a model away."""
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    if not all(map(_is_day_of_model, pairs)):
        raise FormError(
            "is not a list of days by model",
            "Write it like gemini-3.5-flash=2027-05-19, with commas between.",
        )
    return ",".join(pairs)


def parse_json_object(text: str) -> str:
    """Parse a JSON object, and return it without needless spaces."""
    from reconciler import strictjson

    try:
        value = strictjson.loads(text.encode(), most=bounds.VARIABLE)
    except NotJSONError:
        value = None
    if not isinstance(value, dict):
        raise FormError("is not a JSON object", 'Write it like {"vertex_deploy_seconds": 2}.')
    return strictjson.dumps(value)


def _is_day_of_model(pair: str) -> bool:
    match = re.fullmatch(r"[A-Za-z0-9._/-]+=((?:19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2})?", pair)
    try:
        return match is not None and bool(match[1] is None or date.fromisoformat(match[1]))
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return re.fullmatch(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_-]+)*", text) is not None


def parse_credentials_path(text: str) -> str:
    """Parse the path of a credentials file. A key in place of the path is recognised, and not shown."""
    if text[0] in "{[" or "-----BEGIN" in text or _is_json_in_base64(text):
        kind = "a JSON text" if text[0] in "{[" else "a key"
        raise FormError(
            f"holds {kind} itself, and must be the path of a file",
            "Save the key in a file that only you can read, and set the variable to the path of that file. "
            "In GitHub Actions, google-github-actions/auth does both.",
        )
    if CONTROLS.search(text) or len(text) > _LONGEST_PATH:
        raise FormError("is not the path of a file: it is too long, or has line breaks", "Give a path.")
    return text


def parse_certificates_path(text: str) -> str:
    """Parse the path of a file or folder of certificates. Its content is checked when it is read."""
    if "-----BEGIN" in text:
        raise FormError(
            "holds a certificate itself, and must be the path of a file", "Give a path.", shows=False
        )
    return parse_line(text)


_LONGEST_PATH = 1024


def _is_json_in_base64(text: str) -> bool:
    head = re.sub(r"\s", "", text[:64]).rstrip("=")
    head = head[: len(head) // 4 * 4]
    try:
        plain = base64.b64decode(head, altchars=b"-_" if set(head) & set("-_") else None, validate=True)
    except (binascii.Error, ValueError):
        return False
    return plain.lstrip()[:1] == b"{" or plain.startswith(b"-----BEGIN")
