"""Vertex AI's tuningJobs (v1): `fields` is the table, `codec` the JSON, `provider` the calls.

What differs from a service with chosen ids: a job is found again by a label that carries our id
(`jobs`), created by looking before and after (`creation`), fed from a bucket (`bucket`), and deleted
in three steps, each of which looks first (`deletion`).
"""
