"""The values that describe desired and live models.

They are frozen and use no I/O, clock or foreign library. Everything else imports from here.
*Recorded* values live in `state`, beside their format.
"""
