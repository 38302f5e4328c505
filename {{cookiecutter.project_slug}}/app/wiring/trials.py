"""What candidates are tried and measured with, and what the evaluation learns from, built once."""

from dataclasses import dataclass

from app.evaluation.trials import Trials
from app.turn.preference import Preference
from app.wiring.ground import Ground
from app.wiring.turns import Turns
from app.work.captures import Captures
from app.work.shadows import ShadowRuns


@dataclass(frozen=True, slots=True)
class Trying:
    """Shadow runs, the judge of two answers, captured cases, and where each candidate stands."""

    shadows: ShadowRuns
    preference: Preference
    captures: Captures
    trials: Trials


def trying(on: Ground, asking: Turns) -> Trying:
    """Build it."""
    trials = asking.trials
    runs = ShadowRuns(on.database, on.cases, trials.pipeline, trials.preference, on.people, on.privacy, on.relay)
    return Trying(
        runs,
        trials.preference,
        Captures(on.database, on.privacy, on.behind, on.cases),
        Trials(on.database, on.cases, asking.rollouts.shadowed),
    )
