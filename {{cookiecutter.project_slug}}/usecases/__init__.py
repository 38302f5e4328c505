"""Your use cases: one folder each, holding a contract.toml. A folder with a contract is a use case; nothing else registers it."""
