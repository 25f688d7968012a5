"""Vertex AI's tuningJobs (v1): `fields` is the table, `codec` the JSON, `provider` the calls.

The service takes no ids from us. So we find a job again by a label that holds our id (`jobs`), and look
before and after we create one (`creation`). Training data goes through a bucket (`bucket`). A deletion has
three steps, and each of them looks first (`deletion`).
"""
