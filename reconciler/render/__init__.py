"""Turns plans, events, drift and state into text, for people, policies and pull requests.

Rule: a renderer returns strings or plain JSON values and uses only its arguments. It has no clock, no service
and no file except the report's style sheet. Only `live` prints, because a live display must. Text of a user,
a manifest or a service is escaped for its format before it is shown (`terminal.escape` and others).

    terminal       prepares text for a terminal: escapes, widths, colours, wrapping
    words          the sentences of a plan that all formats share; `drift_words`: of drift; `bill`: the costs
                   of trainings; `values`: a value, number or digest; `run_summary`: what a run has done
    text           for people at a terminal or a pipe
    markdown       for comments on pull requests
    html           the report, one page
    plan_json      the plan JSON and the drift JSON; `planfile`: writes and reads a saved plan
    stream         the NDJSON events of --json
    diagnostics    errors and warnings in Terraform's JSON
    records        one record as JSON
    live           progress on a terminal
"""
