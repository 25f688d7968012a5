"""Reads OpenAI's chat form, `{"messages": [{"role": …, "content": …}, …]}`, as turns in Gemini's form.

Rule: a line is read as what it says, or it is refused. Nothing is guessed or left out.
Source: OpenAI's guide to supervised fine-tuning, and the request body of its chat completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.datasets.rows import describe_json, quote_name
from reconciler.problems import Refusal

MESSAGES = "messages"
"""The key by which a line in OpenAI's form is known."""

_ROLES = {"user": "user", "assistant": "model"}
_INSTRUCTION = frozenset({"system", "developer"})
"""Roles whose text is an instruction. OpenAI's newer models say developer instead of system."""
_ROLES_ADVICE = 'OpenAI\'s roles are "system", "developer", "user" and "assistant".'

_IN_GEMINIS_FORM = (
    "Leave the line out, or write it for a TuningJob in Gemini's form: contents with functionCall and "
    "functionResponse, and tools."
)
_LEAVE_OUT = "Leave the line out."
_OF_A_LINE: Mapping[str, tuple[str, str]] = {
    "tools": ("the line has tools, and they are not converted", _IN_GEMINIS_FORM),
    "functions": ("the line has functions, and they are not converted", _IN_GEMINIS_FORM),
    "parallel_tool_calls": ("parallel_tool_calls is not true or false", "Remove it."),
}
_OF_A_MESSAGE: Mapping[str, tuple[str, str]] = {
    "tool_calls": ("it calls tools, and calls are not converted", _IN_GEMINIS_FORM),
    "function_call": ("it calls a function, and calls are not converted", _IN_GEMINIS_FORM),
    "tool_call_id": ("it answers a tool call, and calls are not converted", _IN_GEMINIS_FORM),
    "name": ("it has a name, and a turn of Gemini has none", "Remove it, or say it in the content."),
    "refusal": ("it is a refusal, and Gemini has no such field", "Write it as content, or leave it out."),
    "audio": ("it has audio, and only text is converted", _LEAVE_OUT),
    "annotations": ("it has annotations, and they are not converted", "Remove them."),
}
"""Keys of OpenAI's form that may be there without a value, and why they are refused with one."""


def read_messages(row: Mapping[str, object]) -> dict[str, Any] | Refusal:
    """Read a line that has `messages` as `contents`, and as `systemInstruction` if it begins with one."""
    refusal = _check_keys(row, {MESSAGES}, _OF_A_LINE, "a line")
    if refusal is not None:
        return refusal
    messages = row[MESSAGES]
    if not isinstance(messages, list) or not messages:
        return Refusal("messages is not a list of messages", 'Write [{"role": "user", "content": "…"}, …].')
    instruction: list[dict[str, str]] = []
    turns: list[dict[str, Any]] = []
    for number, message in enumerate(messages, 1):
        read = _read_message(message)
        if isinstance(read, Refusal):
            return Refusal(f"message {number}: {read.summary}", read.detail)
        role, parts = read
        if role:
            turns.append({"role": role, "parts": parts})
        elif turns:
            return Refusal(
                f"message {number}: a system message comes after the first turn",
                "Gemini has one instruction, before all turns: move the text there, or leave the line out.",
            )
        else:
            instruction += parts
    if not turns or turns[-1]["role"] != "model":
        return Refusal(
            "the last message is not the assistant's", "End with the answer to learn, or leave the line out."
        )
    if all(turn["role"] == "model" for turn in turns):
        return Refusal("no message is from the user", "Write the question before its answer.")
    return {"contents": turns} | ({"systemInstruction": {"parts": instruction}} if instruction else {})


def _read_message(message: object) -> tuple[str, list[dict[str, str]]] | Refusal:
    """Read a message as its role in Gemini's form ("" for an instruction) and its parts."""
    if not isinstance(message, dict):
        return Refusal(
            f"it is {describe_json(message)}, not an object", 'Write {"role": "user", "content": "…"}.'
        )
    role = message.get("role")
    if not isinstance(role, str):
        said = f"its role is {describe_json(role)}, not a text" if "role" in message else "it has no role"
        return Refusal(said, _ROLES_ADVICE)
    if role in {"tool", "function"}:
        return Refusal(f"the role {role!r} is not converted", _IN_GEMINIS_FORM)
    if role not in _ROLES and role not in _INSTRUCTION:
        return Refusal(f"the role {quote_name(role)} is not known", _ROLES_ADVICE)
    refusal = _check_keys(message, {"role", "content", "weight"}, _OF_A_MESSAGE, "a message")
    refusal = refusal or _check_weight(message.get("weight", 1))
    if refusal is not None:
        return refusal
    parts = _read_content(message.get("content"))
    return parts if isinstance(parts, Refusal) else (_ROLES.get(role, ""), parts)


def _check_keys(
    found: Mapping[str, object], known: set[str], valued: Mapping[str, tuple[str, str]], what: str
) -> Refusal | None:
    for key, value in found.items():
        if key in known:
            continue
        if key not in valued:
            return Refusal(f"{quote_name(key)} is not a key of {what} in OpenAI's chat form", "Remove it.")
        is_setting = key == "parallel_tool_calls" and isinstance(value, bool)  # says nothing without tools
        if value not in (None, [], {}) and not is_setting:
            return Refusal(*valued[key])
    return None


def _check_weight(weight: object) -> Refusal | None:
    if isinstance(weight, bool) or weight not in (0, 1):
        return Refusal("its weight is not 0 or 1", "Remove it: the default is 1.")
    if weight == 1:
        return None
    return Refusal(
        "it has weight 0, and Gemini learns from every answer",
        "Remove the weight to learn from it, or leave the line out.",
    )


def _read_content(content: object) -> list[dict[str, str]] | Refusal:
    texts: list[object] = [content]
    if isinstance(content, list):
        texts = []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind != "text":
                named = f"of type {quote_name(kind)}" if isinstance(kind, str) else "without a type"
                return Refusal(f"its content has a part {named}, and only text is converted", _LEAVE_OUT)
            if part.keys() != {"type", "text"}:
                return Refusal("a text of its content has other keys than type and text", "Remove them.")
            texts.append(part["text"])
    for text in texts:
        if text is not None and not isinstance(text, str):
            return Refusal(f"its content is {describe_json(text)}, not text", "Put it in quotes.")
    if not texts or not all(texts):
        return Refusal("its content is empty", "Write its text, or leave the line out.")
    return [{"text": text} for text in texts if isinstance(text, str)]
