"""A desk for orders: a model looks orders up, and proposes refunds that a person approves."""
