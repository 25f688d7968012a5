"""For people in a terminal or a pipe: lines of text, with or without colour.

`width` is in cells; 0 never cuts nor wraps. Colours are Terraform's: green comes, yellow changes, red
goes or failed.
"""
