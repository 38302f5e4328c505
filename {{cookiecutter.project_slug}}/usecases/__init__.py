"""Your use cases: a folder with a contract.toml is one; nothing else registers it."""
