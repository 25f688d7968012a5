"""The floor: the least that plain Python programs do for the same work, without types, messages or a plan.

floor.py plan FOLDER URL     list the models, compose every manifest, digest and compare each
floor.py events FOLDER       only the events of PyYAML's C parser, of every manifest
floor.py json FILE           the digest of a data set, with the standard json
"""

import hashlib
import http.client
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit


def list_models(url: str) -> dict[str, str]:
    """List the models in pages, as every client must. Returns their display names by id."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    found, token = {}, ""
    while True:
        connection.request("GET", f"/v1beta/tunedModels?pageSize=1000&pageToken={token}")
        page = json.loads(connection.getresponse().read())
        for model in page.get("tunedModels", ()):
            found[model["name"].split("/")[1].rpartition("-")[0]] = model["displayName"]
        token = page.get("nextPageToken", "")
        if not token:
            return found


def compare(folder: str, url: str) -> None:
    """Compose every manifest with its positions, and do one digest and one comparison each."""
    import yaml

    live, digests, different = list_models(url), set(), 0
    for path in sorted(Path(folder).glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        for node in yaml.compose_all(text, Loader=yaml.CSafeLoader):
            digests.add(hashlib.sha256(text[node.start_mark.index : node.end_mark.index].encode()).digest())
            entries = {key.value: value for key, value in node.value}
            if entries["kind"].value != "Stack":
                name = next(value.value for key, value in entries["metadata"].value if key.value == "name")
                shown = next(
                    value.value for key, value in entries["spec"].value if key.value == "display_name"
                )
                different += live[name] != shown
    print(len(live), "listed,", len(digests), "documents,", different, "different")


def read_events(folder: str) -> None:
    """Run PyYAML's C parser over every manifest."""
    import yaml

    paths = sorted(Path(folder).glob("*.yaml"))
    print(sum(1 for path in paths for _ in yaml.parse(path.read_bytes(), Loader=yaml.CSafeLoader)), "events")


def digest_lines(file: str) -> None:
    """Decode every line, write its pair in canonical form, and digest all of them."""
    write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
    digest = hashlib.sha256()
    with Path(file).open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            pair = {"output": row["output"], "textInput": row["text_input"]}
            digest.update(write(pair).encode() + b"\n")
    print(digest.hexdigest())


if __name__ == "__main__":
    match sys.argv[1:]:
        case "plan", folder, url:
            compare(folder, url)
        case "events", folder:
            read_events(folder)
        case "json", file:
            digest_lines(file)
        case _:
            sys.exit(__doc__)
