"""Limits on what we read from services, files and stores.

Foreign bytes may be damaged or malicious. Rule: every reader of foreign bytes takes its limit from here, and
checks the size before it reads.
"""

from __future__ import annotations

MB = 1024 * 1024

REPLY = 512 * MB
"""Bytes of one answer of an API, decompressed: 1,000 models with hundreds of snapshots are some 40 MB."""
ERROR = 64 * 1024
"""Bytes of an answer that is an error."""
STATE = 64 * MB
"""Bytes of a state: 10,000 records are some 10 MB."""
LOCK = 1 * MB
"""Bytes of a lock, or of a lock server's answer."""
PLAN = 64 * MB
"""Bytes of a saved plan."""
MANIFEST = 32 * MB
"""Bytes of a file of manifests or of variables."""
DATA = 1024 * MB
"""Bytes of a data set: what Vertex AI takes, as documented (1 GB)."""
DATA_CACHE = 16 * MB
"""Bytes of what is remembered of measured data: 5,000 data sets are some 5 MB."""
CREDENTIALS = 1 * MB
"""Bytes of a file with a credential."""
VARIABLE = 1 * MB
"""Bytes of an environment variable that holds JSON."""
PROMPT = 64 * MB
"""Bytes of a prompt on standard input."""

DEPTH = 100
"""Objects and lists inside of each other. The API's own messages have less than 20."""
INT64 = range(-(2**63), 2**63)
"""The integers that an API, its JSON and other people's tools can hold."""
FLOAT32 = 3.4028235e38
"""The largest number that a field of single precision can hold."""
DELAY = 86_400.0
"""Seconds. A longer delay in an answer is not believed."""
EXCERPT = 4096
"""Characters of a foreign text that are searched."""
