"""The JSON of everything that is no tuned model: permissions, pages, and the answers of generateContent."""

from __future__ import annotations

from reconciler.errors import ServiceError
from reconciler.model import Permission
from reconciler.providers.gemini.values import JsonObject, as_object, objects_of, text_of, wrong

_GRANTEES = {1: "USER", 2: "GROUP", 3: "EVERYONE"}
_ROLES = {1: "OWNER", 2: "WRITER", 3: "READER"}


def next_page(document: JsonObject, where: str) -> str:
    """The token of the next page, "" after the last."""
    token = document.get("nextPageToken", "")
    if not isinstance(token, str):
        raise wrong(where, "nextPageToken", token, "text")
    return token


def permission(document: JsonObject, where: str) -> Permission:
    """One Permission; enums as names or numbers."""
    grantee, role = document.get("granteeType"), document.get("role")
    grantee = _GRANTEES.get(grantee, "") if isinstance(grantee, int) else grantee
    role = _ROLES.get(role, "") if isinstance(role, int) else role
    if not (isinstance(grantee, str) and grantee and isinstance(role, str) and role):
        raise wrong(where, "a permission", document, "one with granteeType and role")
    return Permission(grantee, text_of(document, "emailAddress"), role)


def reply_text(document: JsonObject, name: str) -> str:
    """The text of a generateContent's first candidate; ServiceError that says why there is none."""
    candidates = objects_of(document, "candidates", name)
    first = candidates[0] if candidates else {}
    content = as_object(first.get("content"), name, "content")
    parts = [part for part in objects_of(content, "parts", name) if not part.get("thought")]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    if texts:
        return "".join(texts)
    feedback = as_object(document.get("promptFeedback"), name, "promptFeedback")
    blocked, finished = text_of(feedback, "blockReason"), text_of(first, "finishReason")
    why = f"the prompt was blocked ({blocked})" if blocked else f"it finished with {finished or 'no reason'}"
    raise ServiceError(
        f"{name} answered without text: {why}", "Change the prompt.", reason=blocked or finished
    )
