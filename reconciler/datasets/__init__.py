"""Training data: read, checked, measured, and read again for sending.

Rule: what is sent is what was measured, or nothing is sent. Knows nothing of manifests.
"""
