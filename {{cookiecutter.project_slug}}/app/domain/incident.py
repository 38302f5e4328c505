"""Incidents: findings that somebody must look into, because something tried to leave, or to come in."""

from collections.abc import Mapping

# What each means, for people.
KINDS: Mapping[str, str] = {
    "leak": "the answer repeated the instructions",
    "canary": "the answer held the mark that only the instructions hold",
    "secret": "the answer held a key, a token or a password",
    "others_data": "the answer held personal data from nowhere that the asker may see",
    "unsafe": "the answer held what the policy forbids",
    "overlong": "the answer was longer than the contract allows",
    "placeholder": "the answer held a placeholder that nobody gave out",
    "injection": "the question gave orders to the model",
}
