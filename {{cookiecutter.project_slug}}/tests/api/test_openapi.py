"""The description of the API is complete: whatever is sent, what comes back is described in it."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# `make prove` runs the long form.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
PEOPLE = ("sam.reyes", "olga.petrov")


@pytest.fixture(scope="module")
def described(stack):
    """The API as the running service describes it."""
    return schemathesis.openapi.from_url(f"{stack.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@pytest.mark.proves("INT-1", "REL-8")
@pytest.mark.parametrize("person", PEOPLE)
@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_gets_a_server_error_or_an_undescribed_response(case, person, token, stack):
    response = case.call(headers={"Authorization": f"Bearer {token(person)}"}, timeout=30)
    case.validate_response(response, checks=CHECKS)
