"""How long tests wait for what should be over soon."""

NET = 30.0
"""Seconds. What is right ends long before, on any machine; what is wrong takes minutes, or never ends."""
