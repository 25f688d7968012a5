"""The command line: reads the arguments, wires the parts together and prints.

Rule: it decides nothing about a model.
"""
