"""Compare answers with what they must be, within budgets."""
