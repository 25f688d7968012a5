"""Uses google-genai on a model after its training: `python new_sdk_life.py URL ENDPOINT MODEL`.

It asks an endpoint under an id that the caller chose, and handles a copy of a model. It prints what it finds
as JSON, and fails if a call does not work.
"""

import json
import sys
from typing import Any

from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials


def main(url: str, endpoint: str, model: str) -> dict[str, Any]:
    """Ask, look, change and delete. Return the results."""
    client = genai.Client(
        vertexai=True,
        project="prod",
        location=model.split("/")[3],
        credentials=Credentials(token="t"),
        http_options=types.HttpOptions(base_url=url),
    )
    chunks = client.models.generate_content_stream(model=endpoint, contents="seven")
    found = client.models.get(model=model)
    changed = client.models.update(
        model=model, config={"description": "copied", "default_checkpoint_id": "2"}
    )
    listed = [item.name for item in client.models.list(config={"query_base": False})]
    client.models.delete(model=model)
    return {
        "version": genai.__version__,
        "answers": [
            client.models.generate_content(model=endpoint, contents="seven").text,
            "".join(chunk.text for chunk in chunks),
        ],
        "endpoints": [item.name for item in found.endpoints or []],
        "checkpoints": [item.checkpoint_id for item in found.checkpoints or []],
        "defaults": [found.default_checkpoint_id, changed.default_checkpoint_id],
        "description": changed.description,
        "listed": listed,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
