"""Settings that both APIs share."""

from __future__ import annotations

SERVICE = "google"
"""The service's name in a state, which records whose models it holds."""
TRUSTED_HOSTS = ("*.googleapis.com",)
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"
LOGIN_VARIABLES = frozenset(
    {
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
    }
)
"""Environment variables that decide whose identity calls to Google's APIs have."""
