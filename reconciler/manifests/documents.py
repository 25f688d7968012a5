"""YAML text to documents that remember where they stand.

Rule: syntax only, and all of it here, in `building` and in `syntax`: no other module knows yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import StreamEndEvent

from reconciler.manifests.located import Mark, YamlList, YamlMap
from reconciler.manifests.variables import substitute
from reconciler.manifests.yaml_builder import Builder, LimitError, mark_of
from reconciler.problems import Place, Problems


@dataclass(frozen=True, slots=True)
class Document:
    """One document that says anything.

    Attributes:
        place: where it begins.
        body: its value, without variables until `fill` was called.
        references: where text with "${" stands: the container, the key or index, and the text's place.
    """

    place: Place
    body: object
    references: Sequence[tuple[Any, Any, Mark]]

    @property
    def file(self) -> str:
        """Where it stands."""
        return self.place.file

    @property
    def kind(self) -> object:
        """What it says of its kind."""
        return self.body.get("kind") if type(self.body) is YamlMap else None

    def fill(self, variables: Mapping[str, str], problems: Problems) -> None:
        """Put variables in the place of references, noting those that cannot be followed."""
        for container, key, mark in self.references:
            text, unresolved = substitute(container[key], variables)
            for summary, detail in unresolved:
                problems.error(Place(self.place.file, *mark), summary, detail)
            if not unresolved:
                container[key] = text


def read_documents(file: str, text: str, problems: Problems) -> Iterator[Document]:
    """The documents of a file that say anything; ends with a noted problem where the syntax is broken."""
    from reconciler.manifests.syntax import explain_syntax, refuse_unreadable

    if refuse_unreadable(file, text, problems):
        return
    parser = yaml.CSafeLoader(text)
    try:
        parser.get_event()  # the stream's start
        while not isinstance(start := parser.get_event(), StreamEndEvent):
            builder = Builder(file, problems, parser, mark_of(start))
            body = builder.build()
            if body is not None:
                mark = body.mark if isinstance(body, (YamlMap, YamlList)) else builder.start
                yield Document(Place(file, *mark), body, builder.references())
    except yaml.YAMLError as error:
        explain_syntax(file, text, error, problems)
    except LimitError:
        return
    finally:
        parser.dispose()
