"""Values in, text out: plans, events, drift and state for people, for policies, for pull requests.

Rule: renderers return strings (or plain JSON values) and know nothing that is not in their arguments: no
clock, no service, no file. Only `live` prints, because a live display must. Whatever a user, a manifest
or a service wrote passes `screen.visible` (or the escape of its format) before it is shown.

    screen    what a terminal may be shown: control characters, widths, colours, wrapping
    wording   the words of a plan that all formats share; `findings`: of drift; `bill`: what trainings cost;
              `figures`: counts, times and values
    text      for people in a terminal or a pipe
    machine   the plan JSON and the drift JSON; `codec`, `planfile`: a saved plan and back
    stream    the NDJSON events of --json
    markdown  for pull-request comments
    page      the HTML report; `curve`: a loss curve as SVG
    records   one record as JSON
    live      progress on a terminal
"""
