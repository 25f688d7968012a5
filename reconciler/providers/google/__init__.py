"""Holds what both of Google's APIs share: their JSON, pages, look-ups and refusals."""
