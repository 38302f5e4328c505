"""The container files and `make up` describe the same service, and the containers keep the rules of the house."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.local.parts import ASK, MIGRATE, PARTS, SAMPLES, Part

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROCESSES = [*PARTS, MIGRATE]


def words(part: Part) -> list[str]:
    """What follows `python -m app`."""
    return list(part.argv[3:])


@pytest.mark.proves("INT-5")
def test_compose_runs_the_parts_the_migration_and_the_two_engines_and_nothing_else() -> None:
    assert set(SERVICES) == {part.name for part in PROCESSES} | {"postgres", "redis"}


@pytest.mark.parametrize("part", PROCESSES, ids=lambda part: part.name)
def test_a_part_has_the_same_command_in_a_container(part: Part) -> None:
    assert SERVICES[part.name]["command"] == words(part)
    assert SERVICES[part.name]["build"] == "."


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_waits_for_engines_and_migration(part: Part) -> None:
    conditions = {name: needs["condition"] for name, needs in SERVICES[part.name]["depends_on"].items()}
    healthy, completed = "service_healthy", "service_completed_successfully"
    assert conditions == {"postgres": healthy, "redis": healthy, "migrate": completed}


@pytest.mark.parametrize("part", [part for part in PARTS if part.grace_s > 5], ids=lambda part: part.name)
def test_a_container_may_drain_longer_than_the_part_asks_for(part: Part) -> None:
    assert int(SERVICES[part.name]["stop_grace_period"].removesuffix("s")) > part.grace_s


def test_every_part_that_answers_is_asked_for_its_health() -> None:
    for part in PARTS:
        if part.health:
            assert part.health in " ".join(SERVICES[part.name]["healthcheck"]["test"])
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {"migrate", "beat"}


def test_published_ports_are_bound_to_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_have_no_default_and_containers_no_privileges() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for secret in ("APP_SECRET_KEY", "POSTGRES_PASSWORD"):
        assert set(re.findall(rf"\$\{{{secret}[^}}]*\}}", text)) == {f"${{{secret}:?run make setup}}"}
    for part in PROCESSES:
        assert SERVICES[part.name]["cap_drop"] == ["ALL"]
        assert SERVICES[part.name]["security_opt"] == ["no-new-privileges:true"]
        assert SERVICES[part.name]["read_only"] is True and SERVICES[part.name]["tmpfs"] == ["/tmp:size=512m"]
        assert "privileged" not in SERVICES[part.name]


def test_the_image_runs_the_api_unless_told_otherwise_and_never_as_root() -> None:
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert 'CMD ["serve"]' in last_stage and words(PARTS[0]) == ["serve"]
    assert 'ENTRYPOINT ["app"]' in last_stage
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert "APP_ENVIRONMENT=production" in last_stage


def test_the_image_holds_pinned_packages_and_no_development_tools() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:3.11-slim"}
    assert "--require-hashes" in DOCKERFILE and "requirements.prod.lock" in DOCKERFILE
    version = re.search(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert version and f"uv=={version[1]}\n" in DOCKERFILE
    assert not re.search(r"COPY.*\b(ops(?!/runbooks)|tests|\.env)\b", DOCKERFILE)


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert ignored.index("*") < min(ignored.index(f"!{path}") for path in copied)
    for path in set(copied) - {"requirements.prod.lock"}:
        assert (ROOT / path).is_dir()


def test_the_names_of_parts_are_unique_and_their_commands_start_this_interpreter() -> None:
    every = [*PROCESSES, SAMPLES, ASK]
    assert len({part.name for part in every}) == len(every)
    assert all(part.argv[1:3] == ("-m", "app") for part in every)
