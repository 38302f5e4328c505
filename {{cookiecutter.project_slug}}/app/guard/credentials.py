"""Secrets: keys by their vendors' prefixes, tokens by their form, passwords and other keys by the words before them."""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from app.guard.rules import Look, Rule, n

# Below so many bits a character, a text is a word rather than a key.
_LEAST_BITS = 3.0
# How far behind its word a secret may end.
_REACH = 300
_PREFIXED = (
    r"sk-(?:proj-|svcacct-|admin-|ant-|or-)?[A-Za-z0-9_-]{16,}",
    r"(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"gl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_-]{16,}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"xapp-\d-[A-Za-z0-9-]{10,}",
    r"AIza[0-9A-Za-z_-]{30,}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"GOCSPX-[0-9A-Za-z_-]{20,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"(?:AC|SK)[0-9a-f]{32}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[A-Za-z0-9_-]{30,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"do[opr]_v1_[0-9a-f]{40,}",
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    r"(?:dapi|dckr_pat_|dp\.pt\.|lin_api_|ntn_|secret_|r8_|pplx-|gsk_|xai-|figd_|glsa_|hvs\.|CFPAT-)[A-Za-z0-9_-]{24,}",
    r"key-[0-9a-f]{32}",
)
_ANNOUNCED = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|passwort|kennwort|mot de passe|contraseña|senha|wachtwoord|hasło|lösenord"
    r"|parola|(?:api|access|secret|private|account|auth|encryption|signing|shared|master|license)[ _-]?"
    r"(?:key|token|secret)"
    r"|client[ _-]?secret|secret|token|credentials?|bearer|schlüssel|clé|clave|pin)"
)
_SAID = r"(?:[\"']?\s{0,3}(?:[:=]|=>|is|was|lautet|ist|est|es|é|è|to|:=)\s{0,3})"
_HELD = rf"(?<![^\W_]){_ANNOUNCED}\w{n('0,12')}{_SAID}[\"'`(]?([^\s\"'`<>,;]{n('4,200')}[^\s\"'`<>,;.!?)])"
_BEARER = r"(?:bearer|basic|token)\s+([A-Za-z0-9+/_=.~-]{16,})"
_CUED_LONG = rf"(?<![^\W_]){_ANNOUNCED}[^\n]{n('0,30')}?(?<![\w/.-])([A-Za-z0-9+/_=-]{n('20,')})(?![\w/-])"


def is_random(value: str) -> bool:
    """Say whether a text is no word: letters and digits, or capitals in its middle, or signs; and hard to guess."""
    has_letter, has_digit = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    is_mixed = value != value.lower() and value[1:] != value[1:].lower() and value != value.upper()
    has_sign = any(not each.isalnum() and each not in ".-_/" for each in value)
    return has_letter and (has_digit or is_mixed or has_sign)


def _is_key(value: str) -> bool:
    bits = -sum(n / len(value) * log2(n / len(value)) for n in Counter(value).values())
    return bits >= _LEAST_BITS and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _is_pin_or_random(value: str) -> bool:
    return is_random(value) or (value.isdigit() and len(value) <= 8)


class _Secret(Rule):
    def _holds(self, text: str, start: int, end: int) -> bool:
        return self.proof(text[start:end])


_PREFIXES = (
    "sk-", "sk_", "rk_", "pk_", "whsec_", "akia", "asia", "agpa", "aida", "aroa", "gh", "gl", "xox", "xapp", "aiza",
    "ya29", "gocspx", "sg.", "ac", "npm_", "pypi-", "hf_", "_v1_", "shp", "dapi", "dckr_", "dp.pt", "lin_api_", "ntn_",
    "secret_", "r8_", "pplx-", "gsk_", "xai-", "figd_", "glsa_", "hvs.", "cfpat-", "key-",
)  # fmt: skip
_WORDS = (
    "pass", "pwd", "kennwort", "contraseña", "senha", "wachtwoord", "hasło", "lösenord", "parola", "key", "token",
    "secret", "credential", "bearer", "schlüssel", "clé", "clave", "pin",
)  # fmt: skip


class _Announced(_Secret):
    """A secret behind one of the words that announce it: nothing else of the text is looked at."""

    def _matches(self, look: Look) -> Iterator[re.Match[str]]:
        low = look.low if len(look.low) == len(look.text) else look.text
        starts = {low.rfind(" ", 0, place) + 1 for word in _WORDS for place in _places(low, word)}
        end = 0
        for start in sorted(starts):
            found = self.pattern.search(look.text, max(start - 16, end), start + _REACH)
            if found:
                end = found.end()
                yield found


def _places(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


RULES = (
    _Secret("SECRET", "vendor's key", re.compile(rf"(?<![^\W_])(?:{'|'.join(_PREFIXED)})"), words=_PREFIXES),
    _Secret("SECRET", "JSON Web Token",
            re.compile(r"(?<![\w-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{0,}"), words=("eyj",)),
    _Secret("SECRET", "private key",
            re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.{0,8000}?"
                       r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL), words=("-----begin",)),
    _Secret("SECRET", "password in an address", re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)"),
            words=("://",)),
    _Announced("SECRET", "password", re.compile(_HELD, re.IGNORECASE), proof=_is_pin_or_random, words=_WORDS, group=1),
    _Secret("SECRET", "bearer", re.compile(rf"(?<![^\W_]){_BEARER}", re.IGNORECASE), proof=_is_key, group=1,
            words=("bearer ", "basic ", "token ")),
    _Announced("SECRET", "announced key", re.compile(_CUED_LONG, re.IGNORECASE), proof=_is_key, words=_WORDS, group=1),
    _Secret("SECRET", "storage key", re.compile(r"(?:AccountKey|SharedAccessKey|sig)=([A-Za-z0-9+/%_-]{20,}={0,2})"),
            proof=_is_key, words=("key=", "sig="), group=1),
)  # fmt: skip
