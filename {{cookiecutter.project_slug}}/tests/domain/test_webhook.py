"""Signatures are those of the specification; waits grow, and end."""

import re
import time
from base64 import b64decode
from typing import Any

import pytest

from app.domain import webhook
from app.settings import ROOT

pytestmark = pytest.mark.proves("OPS-1")


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    signed = webhook.signature(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_s=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_in_force_signs() -> None:
    both = [webhook.new_secret(), webhook.new_secret()]
    signed = webhook.signature(both, id="a", at_s=1, body=b"{}")
    apart = [webhook.signature([secret], id="a", at_s=1, body=b"{}") for secret in both]
    assert signed.split() == apart and apart[0] != apart[1]


def test_secrets_are_long_and_never_the_same() -> None:
    made = {webhook.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(b64decode(secret.removeprefix("whsec_"))) == webhook.SECRET_BYTES for secret in made)


def test_waits_grow_for_most_of_a_day_and_then_it_is_given_up() -> None:
    waits = [webhook.wait_s(tries, chance=0.5) for tries in range(1, webhook.MOST_TRIES)]
    assert waits == sorted(waits, key=float) and 12 * 3600 < sum(map(float, waits)) < 24 * 3600
    assert webhook.wait_s(webhook.MOST_TRIES, chance=0.5) is None


def test_what_failed_together_does_not_come_again_together() -> None:
    assert webhook.wait_s(1, chance=0.0) == pytest.approx(4) and webhook.wait_s(1, chance=1.0) == pytest.approx(6)


def test_a_receiver_that_takes_nothing_is_left_alone_for_longer_and_longer() -> None:
    held = [webhook.hold_s(failures, chance=0.5) for failures in (1, 2, 3, 50)]
    assert held == [5, 10, 20, 300]


def test_what_the_guide_tells_receivers_to_do_verifies_ours_and_nothing_else() -> None:
    guide = (ROOT / "docs/how-to/receive-events.md").read_text("utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    told: dict[str, Any] = {}
    exec(shown, told)
    secret, body, now = webhook.new_secret(), b'{"id": "a"}', int(time.time())
    headers = {
        "webhook-id": "a",
        "webhook-timestamp": str(now),
        "webhook-signature": webhook.signature([webhook.new_secret(), secret], id="a", at_s=now, body=body),
    }
    assert told["verified"](secret, headers, body)
    assert not told["verified"](webhook.new_secret(), headers, body)
    assert not told["verified"](secret, headers, body + b" ")
    assert not told["verified"](secret, {**headers, "webhook-id": "b"}, body)
    old = {**headers, "webhook-timestamp": str(now - 3600)}
    old["webhook-signature"] = webhook.signature([secret], id="a", at_s=now - 3600, body=body)
    assert not told["verified"](secret, old, body)
