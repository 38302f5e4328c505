"""The description of the API is complete: whatever is sent, what comes back is described in it."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
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


@pytest.mark.proves("INT-1", "REL-8")
@pytest.mark.xdist_group("stack")
def test_no_request_gets_a_server_error_or_an_undescribed_response(stack, token):
    schema = schemathesis.openapi.from_url(f"{stack.url}/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        attack(operation, token)
        tried.add(operation.label)
    assert len(tried) >= 25, tried


def attack(operation, token):
    """Send what hypothesis makes up for one operation, as an asker and as an operator."""

    @given(case=operation.as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def send(case):
        for person in PEOPLE:
            response = case.call(headers={"Authorization": f"Bearer {token(person)}"}, timeout=30)
            case.validate_response(response, checks=CHECKS)

    send()
