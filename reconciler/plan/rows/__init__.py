"""The rows of the decision table (`plan.table`). Rule: a row answers with values."""
