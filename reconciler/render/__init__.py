"""Values in, text out: plans, events, drift and state, for people, policies and pull requests.

Rule: renderers return strings or plain JSON values and know only their arguments: no clock, no service, no
file but the report's own style sheet. Only `live` prints, because a live display must. Text that a user, a
manifest or a service wrote passes `terminal.escape`, or the escaping of its format, before it is shown.

    terminal       what a terminal may be shown: escapes, widths, colours, wrapping
    words          the sentences of a plan that all formats share; `drift_words`: of drift; `bill`: what
                   trainings cost; `values`: one value, number or digest; `run_summary`: what a run has done
    text           for people at a terminal or a pipe
    markdown       for comments on pull requests
    html           the report, one page
    plan_json      the plan JSON and the drift JSON; `planfile`: a saved plan and back; `codec`: its JSON
    stream         the NDJSON events of --json
    diagnostics    errors and warnings as Terraform's JSON has them
    records        one record as JSON
    live           progress on a terminal
"""
