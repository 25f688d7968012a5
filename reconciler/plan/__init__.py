"""The decision: desired, live and recorded in; a Plan out. Pure: no I/O, no clock, no foreign library.

`facts` is all that a decision is made from, and `case` is one address in front of the table. `table` chooses
the row, and a row answers with a `change` or a refusal. `compile` turns what was decided into `steps`;
`recording` says what each step leaves recorded.

`planner` goes through the addresses, `guards` refuses whole plans, `resume` finds what `wait` may go on with,
`binding` tells whether a saved plan is still true, and `drift` compares live with recorded.
"""
