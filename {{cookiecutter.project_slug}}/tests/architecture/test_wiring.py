"""Every X has its Y: routes permissions, queues consumers, flags owners, prompts cases, ids proofs."""

import ast
import tomllib
from datetime import date

import pytest
from fastapi.routing import APIRoute

from app.api.app import create
from app.api.permissions import PUBLIC, flat, need_of
from app.console import pages
from app.evaluation.cases import load as load_cases
from app.evaluation.readiness import requirements
from app.settings import ROOT, Settings
from app.wiring.service import build
from app.worker import queue
from app.worker.start import start


@pytest.fixture(scope="module")
def unstarted():
    """The service over the shipped use cases, built and not connected."""
    addresses = {"database_url": "postgresql://localhost/none", "redis_url": "redis://localhost:1"}
    return build(Settings(_env_file=None, secret_key="x" * 40, **addresses))


@pytest.mark.proves("SEC-3")
def test_every_route_needs_an_identity_or_is_on_the_public_list(unstarted):
    app = create(unstarted, pages=pages.ROUTERS)
    found = list(flat(app.routes))
    # An application that keeps its routes where nobody looks would have none that are open.
    assert len(found) > 60 and {"/v1/me", "/console/switches", "/health/live"} <= {route.path for route in found}
    open_ = {route.path for route in found if not (isinstance(route, APIRoute) and need_of(route))}
    assert open_ == set(PUBLIC), open_ ^ set(PUBLIC)


@pytest.mark.proves("SCL-1")
def test_every_queue_has_a_consumer():
    consumed = {queue.HOUSEKEEPING, queue.TURNS, queue.DOCUMENTS}
    assert set(queue.QUEUE_OF_KIND.values()) <= consumed
    assert {entry["options"]["queue"] for entry in queue.celery.conf.beat_schedule.values()} <= consumed
    source = ast.unparse(ast.parse((ROOT / "app/worker/start.py").read_text()))
    assert "[TURNS if threads else DOCUMENTS, HOUSEKEEPING]" in source and start


def test_every_flag_has_an_owner_and_a_day_of_review():
    for flag in tomllib.loads((ROOT / "config/flags.toml").read_text())["flag"]:
        assert flag["owner"] and flag["reason"]
        assert flag["expires_on"] > date.today(), f"{flag['key']} is due for review"


@pytest.mark.proves("CTL-5", "OPS-1")
def test_every_use_case_has_owners_a_pinned_prompt_and_cases(unstarted):
    for usecase in unstarted.usecases.values():
        owners = usecase.contract.owners
        assert all((owners.workflow, owners.prompt, owners.cost, owners.on_call, owners.escalation))
        chosen = usecase.contract.prompt
        assert usecase.prompts[f"{chosen.name}.v{chosen.version}"].revision
        assert load_cases(usecase.folder)


@pytest.mark.proves("OPS-8")
def test_every_id_that_a_test_proves_is_a_requirement():
    known = {requirement.id for requirement in requirements()}
    claimed = set()
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "usecases").rglob("tests/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.proves":
                claimed |= {argument.value for argument in node.args}
    assert claimed and claimed <= known
