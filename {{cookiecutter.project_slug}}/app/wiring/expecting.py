"""The questions that a use case's people expect: those of its evaluation cases."""

from collections.abc import Sequence

from app.domain.usecase import UseCase
from app.work.estimate import Asked


def asked(usecase: UseCase) -> Sequence[Asked]:
    """Give them; none where there are no cases yet."""
    from app.evaluation.cases import load

    if not (usecase.folder / "evals" / "cases.yaml").exists():
        return ()
    return [Asked(case.question, case.fields) for case in load(usecase.folder)]
