"""The decision: desired, live and recorded in; a Plan out. Pure: no I/O, no clock, no foreign library.

`values` says what a plan is, `table` chooses the row that decides (rows: `recorded`, `unrecorded`, `pinned`,
`undeclared`, `deposed`; what they share: `wanted`, `generations`, `training`), `make` walks the addresses,
`guards` refuses, `binding` tells whether a saved plan is still true, `drift` compares live with recorded.
"""
