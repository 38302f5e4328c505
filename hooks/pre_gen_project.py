"""Refuses the few answers that no project can be made of, and says which command would work instead."""

import json
import re
import shlex
import sys
from collections.abc import Mapping

SLUG = re.compile(r"[a-z][a-z0-9-]{0,60}")
EMAIL = re.compile(r"[^\s@\"'\\,:;<>()\[\]#{}*?!|$`&]+@[^\s@\"'\\,:;<>()\[\]#{}*?!|$`&]+")
OWNERS = ("workflow_owner", "prompt_owner", "cost_owner")
# An update renders the stored answers again: text that Jinja would run may not be among them.
# Spelled in parts, because this file is rendered too.
TEMPLATE_SYNTAX = ("{" * 2, "# {" + "%", "# {" + "#")


def refusals(answers: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Return what cannot be used: question -> (why, an answer that would do)."""
    found: dict[str, tuple[str, str]] = {}
    for owner in OWNERS:
        if not EMAIL.fullmatch(str(answers[f"__{owner}"])):
            found[owner] = (
                "an e-mail address is needed: it stands in contracts, CODEOWNERS and alerts",
                "you@example.com",
            )
    slug = str(answers["project_slug"])
    if not SLUG.fullmatch(slug):
        cure = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-0123456789")[:50].strip("-")
        found["project_slug"] = ("a-z, 0-9 and - only, a letter first, at most 61 characters", cure or "ai-service")
    for question, answer in answers.items():
        if not question.startswith("_") and any(sign in str(answer) for sign in TEMPLATE_SYNTAX):
            cure = " ".join(re.sub(r"\{\{|\}\}|# \{[%#]|[%#]\}", " ", str(answer)).split())
            found[question] = (f"{' '.join(TEMPLATE_SYNTAX)} would be run as template code at the next update", cure)
    return found


def corrected_command(answers: Mapping[str, object], found: Mapping[str, tuple[str, str]]) -> str:
    """Return the command line that gives the same project with usable answers."""
    given = {key: value for key, value in answers.items() if not key.startswith("_")}
    given |= {key: cure for key, (_, cure) in found.items()}
    words = [f"{key}={value}" for key, value in given.items()]
    return shlex.join(["cookiecutter", str(answers.get("_template", ".")), "--no-input", *words])


def main(answers: Mapping[str, object]) -> int:
    """Print every refusal with its cure; return 1 when there is one."""
    found = refusals(answers)
    if not found:
        return 0
    print("No project was made.", file=sys.stderr)
    for question, (why, cure) in found.items():
        print(f"  {question} = {str(answers[question])!r}: {why}; for example {cure!r}.", file=sys.stderr)
    print(f"This would work:\n  {corrected_command(answers, found)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(json.loads(r"""{{ cookiecutter | jsonify }}""")))
