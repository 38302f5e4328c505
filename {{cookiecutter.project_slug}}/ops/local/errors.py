"""What can keep the local engines from running.

LocalError
├─ EngineError (an engine is missing, broken or not allowed here; the text names the cure)
└─ InUse (another process holds the folder)
"""


class LocalError(RuntimeError):
    """The service cannot run here; the text says why, and what to do."""


class EngineError(LocalError):
    """An engine is missing, broken or not allowed here."""


class InUse(LocalError):
    """Another living process holds the folder; `owner` is what it wrote about itself."""

    def __init__(self, folder: object, owner: str) -> None:
        super().__init__(f"{folder} is in use by process {owner}; stop that one first")
        self.owner = owner
