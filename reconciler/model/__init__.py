"""The values that describe desired and live models.

They are frozen, and know no file, service or clock. Everything else imports from here.
*Recorded* values live in `state`, beside their format.
"""
