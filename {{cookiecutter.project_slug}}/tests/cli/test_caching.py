"""`app cache`, as a person runs it: what it measures, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from app.settings import ROOT

CASES = """cases:
  - {id: may, as: sam.reyes, question: "May I work in the laboratory alone?", expect: {contains: ["no"]}}
  - {id: pay, as: sam.reyes, question: "Who may work in the kitchen?", expect: {contains: ["EUR 9"]}}
"""
PARAPHRASES = 'paraphrases: {may: ["May I work alone in laboratories?", "Is working alone in the laboratory fine?"]}\n'


@pytest.fixture(scope="module")
def run(vendor_server, tmp_path_factory):
    """Run `app cache handbook` over a use case with these paraphrases and this line in [embeddings] and in [cache]."""

    def made(paraphrases, embeddings='model = "openai:text-embedding-3-small"', cache="", json_=True):
        root = tmp_path_factory.mktemp("cli")
        case = root / "usecases" / "handbook"
        shutil.copytree(ROOT / "tests/samples/handbook", case, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        shutil.copytree(ROOT / "config", root / "config")
        (case / "evals").mkdir()
        (case / "evals" / "cases.yaml").write_text(CASES)
        (case / "evals" / "paraphrases.yaml").write_text(paraphrases)
        with (case / "contract.toml").open("a") as contract:
            contract.write(cache)
        models = root / "config" / "models.toml"
        models.write_text(models.read_text().replace("[embeddings]\n", f"[embeddings]\n{embeddings}\n"))
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("APP_", "OPENAI_"))},
            **{"APP_USECASES_DIR": str(case.parent), "APP_CONFIG_DIR": str(root / "config")},
            **{
                "APP_SECRET_KEY": "k" * 40,
                "DATABASE_URL": "postgresql://localhost/x",
                "REDIS_URL": "redis://localhost:1",
            },
            **{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{vendor_server.url}/v1"},
        }
        words = ["-m", "app", "cache", "handbook", *(["--json"] if json_ else [])]
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    return made


@pytest.mark.proves("LAT-4")
def test_it_recommends_the_lowest_threshold_that_keeps_other_answers_apart(run):
    done = run(PARAPHRASES)
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert 0 < found["recommended"] < 0.9 and found["highest_wrong"]["cosine"] < found["recommended"]
    assert (found["wrong_pairs"], found["same_pairs"]) == (3, 3)
    assert [step["wrong"] for step in found["curve"]] == sorted((s["wrong"] for s in found["curve"]), reverse=True)


def test_a_contract_that_asks_for_less_than_is_safe_falls_short(run):
    done = run(PARAPHRASES, cache="\n[cache]\nfresh_s = 9\nthreshold = 0.2\nsemantic = true\n", json_=False)
    assert done.returncode == 1 and "0.20 is too low" in done.stdout
    assert "cache.threshold = 0." in done.stdout and "tokens, $0.0000" in done.stdout


def test_without_other_wordings_there_is_nothing_to_recommend(run):
    done = run("paraphrases: {}\n", json_=False)
    assert done.returncode == 1 and "evals/paraphrases.yaml" in done.stdout


@pytest.mark.proves("LAT-4")
def test_the_lexical_embedder_is_refused(run):
    done = run(PARAPHRASES, embeddings="")
    assert done.returncode == 2 and "cannot tell a question from its negation" in done.stderr
