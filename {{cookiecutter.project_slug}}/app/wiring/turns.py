"""The steps of a turn, put together in their order, with the shadow that may run beside them."""

from dataclasses import dataclass

from app.control.budgets import Budgets
from app.control.flags import Flags
from app.control.rollout import Rollouts
from app.llm.gateway import Gateway
from app.turn.admit import Admit, Leave
from app.turn.answer import Answer
from app.turn.check import Check, Unmask
from app.turn.judge import Judge
from app.turn.pipeline import Pipeline
from app.turn.preference import Preference
from app.turn.record import Record
from app.turn.retrieve import Retrieve
from app.turn.screen import Screen
from app.turn.shadow import Shadows, by_rollout, of_pipeline
from app.turn.unseen import Unseen
from app.wiring.documents import Documents
from app.wiring.exits import exits
from app.wiring.ground import Ground
from app.wiring.limiting import Limiting
from app.wiring.recalling import Recalling, recalling


@dataclass(frozen=True, slots=True)
class Trials:
    """What candidates are tried with: the pipeline of a shadow, and the judge of two answers."""

    pipeline: Pipeline
    preference: Preference


@dataclass(frozen=True, slots=True)
class Turns:
    """The pipeline, and those of its parts that are asked or closed by themselves."""

    pipeline: Pipeline
    shadows: Shadows
    recalling: Recalling
    retrieve: Retrieve
    rollouts: Rollouts
    trials: Trials


def turns(
    on: Ground, *, flags: Flags, gateway: Gateway, library: Documents, limiting: Limiting, budgets: Budgets
) -> Turns:
    """Put the steps together. Raises CannotStart for a cache that cannot work."""
    known = recalling(on.shared, on.models, library.embedders.chosen, gateway=gateway, cases=on.cases)
    retrieve, leaving = Retrieve(library.searcher), exits(on.settings)
    rollouts = Rollouts(flags, on.cases)
    alone = Pipeline(
        admit=Admit(on.database, flags, limiting.limits, limiting.restrictions, budgets, rollouts),
        screen=Screen(on.privacy, gateway, on.settings.secret_key.get_secret_value()),
        recall=known.recall(on.database, gateway),
        retrieve=retrieve,
        answer=Answer(gateway, library.searcher, flags, leaving),
        check=Check(leaving, Judge(gateway)),
        unmask=Unmask(),
        record=Leave(limiting.limits, Unseen(Record(on.database, on.privacy, on.audience.hears))),
        remember=known.remember(on.database),
    )
    shadows = Shadows(on.database, gateway, chosen=by_rollout(rollouts.shadowed))
    trials = Trials(of_pipeline(alone), Preference(alone, gateway))
    return Turns(shadows.beside(alone), shadows, known, retrieve, rollouts, trials)
