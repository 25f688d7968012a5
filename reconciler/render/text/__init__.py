"""Lines of text for people, for a terminal or a pipe, with or without colour.

`width` is in cells. With 0, nothing is cut or wrapped. The colours are Terraform's: green is new, yellow
changes, red is deleted or has failed.
"""
