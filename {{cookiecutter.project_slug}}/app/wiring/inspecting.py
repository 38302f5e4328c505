"""The operator's looks at documents, put together from the rooms that they see."""

from app.control.auth import Authenticator
from app.control.development import DevelopmentIssuer
from app.retrieval.search import Questions
from app.turn.retrieve import Retrieve
from app.wiring.ground import Ground
from app.work.inspecting import Inspection
from app.work.known import Known


def inspection(on: Ground, *, retrieve: Retrieve, questions: Questions, authenticator: Authenticator) -> Inspection:
    """Build the looks; development identities count as known people where they sign in."""
    issuer = authenticator.issuer
    development = issuer.people if isinstance(issuer, DevelopmentIssuer) else {}
    known = Known(on.database, on.people, development)
    return Inspection(on.database, on.ingest_database, known, on.cases, retrieve, questions)
