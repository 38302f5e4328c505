"""The use cases that are attacked: the sample `cached`, each time with another promise."""

import json
from pathlib import Path
from typing import Any

from app.sdk import Draft, Kit, Turn
from app.settings import ROOT

SAMPLE = ROOT / "tests" / "samples" / "cached"
CACHE = "[cache]\nfresh_s = 600\nstale_s = 3600\n"
FIELDS = '[input.fields]\nregion = ["north", "south"]\n'
LADDER = 'ladder = ["standard", "cached", "extractive"]'
NEVER_AGAIN = ((CACHE, ""), (LADDER, 'ladder = ["standard", "extractive"]'))
# Everybody may queue work here, so that everybody may attack through it.
ROLES = """
[permissions]
everyone = ["turns.ask", "documents.write", "jobs.submit", "turns.see_cost", "turns.see_evidence"]
operators = ["console.open", "switches.flip", "sources.ingest", "turns.read_all", "audit.read", "costs.read"]
reviewers = ["console.open", "reviews.decide"]

[nesting]
staff = ["sales", "engineering"]

[classification]
levels = ["open", "secret"]

[clearance]
executives = "secret"
sales = "open"

[regions]
executives = ["north", "south"]
sales = ["south"]
"""
CASES = {
    # A model answers each time.
    "vault": NEVER_AGAIN,
    # The same answer for the same question; for a question that means the same.
    "again": (),
    "twin": ((CACHE, f"{CACHE}semantic = true\nthreshold = 0.9\n"),),
    # Every answer waits for a person.
    "board": (*NEVER_AGAIN, ('mode = "auto"', 'mode = "advise"')),
    # Its workflow searches for whatever the model says.
    "librarian": NEVER_AGAIN,
    # Open to executives alone.
    "directors": (*NEVER_AGAIN, ('groups = ["everyone"]', 'groups = ["executives"]')),
}


async def obey(turn: Turn, kit: Kit) -> Draft:
    """A victim that obeys: whatever the model says is searched for, and put before it again."""
    first = await kit.ask(turn)
    passages = await kit.search(first.text)
    return await kit.ask(turn.with_(passages=(*turn.passages, *passages)))


def directory(*insiders: str) -> str:
    """Give the company's directory as it stands when these people are in the group of insiders."""
    members = [{"value": person, "type": "User"} for person in insiders]
    return json.dumps({"Resources": [{"displayName": "insiders", "id": "insiders", "members": members}]})


def written(root: Path) -> dict[str, Any]:
    """Write use cases and configuration below a folder, and give the settings that name them."""
    for name, changes in CASES.items():
        folder = root / "usecases" / name
        (folder / "prompts").mkdir(parents=True)
        contract = (SAMPLE / "contract.toml").read_text().replace(FIELDS, "")
        for old, new in changes:
            assert old in contract, old
            contract = contract.replace(old, new)
        (folder / "contract.toml").write_text(contract)
        for prompt in (SAMPLE / "prompts").iterdir():
            (folder / "prompts" / prompt.name).write_text(prompt.read_text())
    config = root / "config"
    config.mkdir()
    for path in (ROOT / "config").glob("*.toml"):
        (config / path.name).write_text(path.read_text())
    (config / "roles.toml").write_text(ROLES)
    (root / "directory.json").write_text(directory("sam.reyes", "maya.okafor"))
    models = (config / "models.toml").read_text()
    embeddings = '[embeddings]\nmodel = "openai:text-embedding-3-small"\n'
    (config / "models.toml").write_text(models.replace("[embeddings]\n", embeddings, 1))
    return {"usecases_dir": root / "usecases", "config_dir": config, "directory": str(root / "directory.json")}
