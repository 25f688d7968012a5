"""Every setting of the environment: its name, what it is, and the form it must have.

Names are those of Google's SDKs, Terraform, the AWS and Azure command lines, and curl.
"""

from __future__ import annotations

from msgspec import Struct

from reconciler.settings import forms
from reconciler.settings.forms import Form


class Setting(Struct, frozen=True):
    """One variable.

    Attributes:
        name: of the variable; of proxies the lower-case spelling counts too.
        what: a sentence after the advice that says what the value is or where it comes from; may be "".
        form: see `forms`.
        secret: its value may hold a secret, and is never shown.
        kept: blanks at the ends belong to the value; line ends never do.
    """

    name: str
    what: str
    form: Form
    secret: bool = False
    kept: bool = False

    def trim(self, value: str) -> str:
        """Remove what does not belong to a value from its ends."""
        return value.strip("\r\n" if self.kept else None)


PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name certificates to trust; the certificates of all of them are trusted."""

_TABLE = (
    # Google
    Setting("GOOGLE_GEMINI_BASE_URL", "It is the endpoint of the Gemini API", forms.parse_api_address),
    Setting("GOOGLE_VERTEX_BASE_URL", "It is the endpoint of Vertex AI", forms.parse_api_address),
    Setting(
        "STORAGE_EMULATOR_HOST",
        "It is the address of an emulator of Cloud Storage",
        forms.parse_address_or_host,
    ),
    Setting("GEMINI_API_KEY", "", forms.parse_secret, secret=True),
    Setting("GOOGLE_API_KEY", "", forms.parse_secret, secret=True),
    Setting(
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "gcloud auth application-default print-access-token prints one",
        forms.parse_secret,
        secret=True,
    ),
    Setting("GOOGLE_APPLICATION_CREDENTIALS", "", forms.parse_credentials_path, secret=True),
    Setting("GOOGLE_CLOUD_PROJECT", "It names the project of the models", forms.project),
    Setting("GOOGLE_CLOUD_QUOTA_PROJECT", "It names the project whose quota the calls use", forms.project),
    Setting("GOOGLE_CLOUD_LOCATION", "It names the location of tuning jobs", forms.location),
    # ours
    Setting("RECONCILER_STATE", "It is where the state is kept, as --state says it", forms.parse_line),
    Setting("RECONCILER_TRUSTED_HOSTS", "It names hosts that credentials may go to", forms.parse_hosts),
    Setting("RECONCILER_SCOPES", "It lists the OAuth scopes to ask for", forms.scopes),
    Setting("RECONCILER_HTTP_TIMEOUT", "It says how long a whole call may take", forms.seconds),
    Setting("RECONCILER_RETRY_SECONDS", "It says for how long a failed call is repeated", forms.seconds),
    Setting(
        "RECONCILER_LAG_SECONDS",
        "It says how long the service may not show a new model yet",
        forms.seconds_or_zero,
    ),
    Setting(
        "RECONCILER_EMULATOR_SECONDS",
        "It says how long a training on the emulator takes",
        forms.seconds_or_zero,
    ),
    Setting(
        "RECONCILER_EMULATOR_RETIRES",
        "It says on which days base models retire on the emulator",
        forms.parse_days,
    ),
    Setting(
        "RECONCILER_EMULATOR_SETTINGS",
        "It has settings of the emulator, see docs/emulator.md",
        forms.parse_json_object,
    ),
    Setting("RECONCILER_TODAY", "It is the day that base models are judged by", forms.parse_day),
    Setting("RECONCILER_LOCK_LEASE", "", forms.lease),
    # state behind HTTP, as Terraform names it
    Setting("TF_HTTP_LOCK_ADDRESS", "It is where the state is locked", forms.parse_line, secret=True),
    Setting("TF_HTTP_UNLOCK_ADDRESS", "It is where the state is unlocked", forms.parse_line, secret=True),
    Setting("TF_HTTP_UPDATE_METHOD", "", forms.method),
    Setting("TF_HTTP_LOCK_METHOD", "", forms.method),
    Setting("TF_HTTP_UNLOCK_METHOD", "", forms.method),
    Setting("TF_HTTP_USERNAME", "", forms.parse_line, secret=True, kept=True),
    Setting("TF_HTTP_PASSWORD", "", forms.parse_line, secret=True, kept=True),
    Setting("TF_HTTP_RETRY_MAX", "", forms.parse_count),
    Setting("TF_HTTP_RETRY_WAIT_MIN", "", forms.parse_count),
    Setting("TF_HTTP_RETRY_WAIT_MAX", "", forms.parse_count),
    Setting("TF_HTTP_SKIP_CERT_VERIFICATION", "", forms.flag),
    # a certificate may hold any text: it has line breaks
    Setting("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", "", str, secret=True),
    Setting("TF_HTTP_CLIENT_CERTIFICATE_PEM", "", str, secret=True),
    Setting("TF_HTTP_CLIENT_PRIVATE_KEY_PEM", "", str, secret=True),
    # state in S3
    Setting("AWS_ACCESS_KEY_ID", "It is the name of a key", forms.parse_secret, secret=True),
    Setting("AWS_SECRET_ACCESS_KEY", "It is a key", forms.parse_secret, secret=True),
    Setting("AWS_SESSION_TOKEN", "It goes with a key", forms.parse_secret, secret=True),
    Setting("AWS_REGION", "It is where the bucket lies", forms.region),
    Setting("AWS_DEFAULT_REGION", "It is where the bucket lies", forms.region),
    Setting("AWS_PROFILE", "It names a profile", forms.parse_line),
    Setting("AWS_ENDPOINT_URL", "It is another store with the API of S3", forms.parse_address),
    Setting("AWS_ENDPOINT_URL_S3", "It is another store with the API of S3", forms.parse_address),
    # state in Azure
    Setting("AZURE_STORAGE_ACCOUNT", "It is the storage account", forms.account),
    Setting("AZURE_STORAGE_KEY", "It is the account's key", forms.parse_base64_key, secret=True),
    Setting("AZURE_STORAGE_SAS_TOKEN", "", forms.parse_shared_access, secret=True),
    Setting("AZURE_STORAGE_CONNECTION_STRING", "", forms.parse_connection, secret=True),
    Setting("AZURE_STORAGE_ENDPOINT", "It is another address of the account's blobs", forms.parse_address),
    Setting("AZURE_TENANT_ID", "It is the tenant", forms.parse_line),
    Setting("AZURE_CLIENT_ID", "It is the application", forms.parse_line),
    Setting("AZURE_CLIENT_SECRET", "It is the application's secret", forms.parse_secret, secret=True),
    # every connection
    *(
        Setting(name, "It is a file of certificates to trust", forms.parse_certificates_path)
        for name in CERTIFICATES
    ),
    *(Setting(name, "", forms.parse_proxy, secret=True) for name in PROXIES),
    Setting("NO_PROXY", "", forms.parse_line),
)

SETTINGS = {setting.name: setting for setting in _TABLE}
SETTINGS |= {name.lower(): SETTINGS[name] for name in (*PROXIES, "NO_PROXY")}
PATHS = ("GOOGLE_APPLICATION_CREDENTIALS",)
_OF_LIBRARIES = ("AWS_", "AZURE_", "GOOGLE_SERVICE_")
"""Prefixes of the variables that the clients of stores read themselves."""


def may_hold_a_secret(name: str) -> bool:
    """Return whether a variable may hold a secret, which no message should contain."""
    setting = SETTINGS.get(name)
    if setting is not None:
        return (setting.secret and name != "TF_HTTP_USERNAME") or name == "RECONCILER_STATE"
    return name.startswith(_OF_LIBRARIES) and not name.endswith(("_FILE", "_PATH", "_PROFILE"))
