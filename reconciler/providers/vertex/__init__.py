"""Vertex AI's tuningJobs and copies of models (v1).

`fields` has the tables, `codec` and `copy_codec` the JSON, `provider` and `copies` the calls.

The service takes no ids of jobs from us. So we find a job again by a label that holds our id (`jobs`), and
look before and after we create one (`creation`). Training data goes through a bucket (`bucket`). A copy has
an id that we choose (`copies`, `copy_creation`). Both kinds share what reads the service (`resources`), the
stable endpoints (`endpoints`), the deletion, whose every step looks first (`deletion`), and a part of their
providers (`regional`).
"""
