"""Training data: read, checked, measured, and read again to be sent.

A file goes through `formats` (its extension decides: `csv_rows`, `json_rows`) to rows. A row is an example,
or the `Refusal` that says why it is none; its `rows.Form`, one of `pairs` and `chat`, tells what it may hold.
`columns` reads rows with other names than ours, and `messages` those in OpenAI's form.
`measure` takes a stream of bytes, so a file and an object in a bucket are measured by the same code.

Rule: what is sent is what was measured, or nothing is sent. This package knows nothing of manifests.
"""
