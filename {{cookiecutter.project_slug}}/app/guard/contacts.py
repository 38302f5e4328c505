"""Where a person is reached: e-mail, telephone, address on a network."""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from app.guard.rules import Look, Rule, is_announced, shape

_CALLED = (
    "tel", "phone", "mobile", "cell", "call", "fax", "ring", "reach", "text me", "sms", "whats", "signal", "handy",
    "mobil", "ruf", "anruf", "télé", "portable", "appel", "móvil", "movil", "llam", "cellulare", "chiam", "bel ",
    "telemóvel", "ligue", "dial", "contact", "hotline", "durchwahl", "ext", "komórk", "puh", "号码", "电话", "電話",
)  # fmt: skip
# What stands before numbers that are nobody's.
_COUNTED = re.compile(
    r"(?:\b(?:order|invoice|ticket|case|ref(?:erence)?|sku|part|item|article|serial|batch|lot|id|no|nr|number|version"
    r"|isbn|ean|gtin|tracking|commit|build|account|page|row|room|po|rma|bestellung|rechnung|commande|pedido)"
    r"[a-z]{0,8}[.:]?\s*(?:is |no\.?|nr\.?|number)?\s*[#:]?\s*|[#$€£¥%])$",
    re.IGNORECASE,
)
_PHONES = (
    # +49 170 1234567, 0044 (0)20 7946 0958
    r"(?<![\w.+])(?:\+|00(?=[1-9]\d[ ()./-]))[ ]?[1-9]\d{0,2}[ ()./-]{0,2}(?:\(0\)[ ]?)?\d"
    r"(?:[ ()./-]{0,2}\d){5,12}(?!\w)",
    # (020) 7946 0958, 030/1234567, 0170 1234567
    r"(?<![\w.,/+-])(?:\(0\d{1,4}\)[ ]?|0)\d(?:[ ()/-]{0,2}\d){6,11}(?![\w]|[.,/-]\d)",
    # 06.12.34.56.78
    r"(?<![\w.])0[1-9](?:\.\d{2}){4}(?![\w.])",
    # (555) 123-4567, 555-123-4567, 555.123.4567, 555-0123
    r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[.-])\d{3}[ .-]\d{4}(?![\w-])",
    # 612 34 56 78, 612 345 678: Spain, Portugal, Poland, the Nordics
    r"(?<![\w.,+-])[5-9]\d{2}(?: \d{2}){3}(?![\w]|[ .,]\d)",
)
_SHAPED = re.compile("|".join(_PHONES))
_EMAIL = r"(?<![\w.+%-])[^\W_][\w.+%'-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?!\w)"
# jane (at) example (dot) org
_SPELT = (
    r"(?<![\w.+%-])[^\W_][\w.+%-]{0,63} ?[(\[{] ?(?:at|@|arroba) ?[)\]}] ?[\w-]{1,60}"
    r"(?: ?[(\[{] ?(?:dot|punto|punkt) ?[)\]}] ?[\w-]{2,24}|\.[\w-]{2,24}){1,4}"
)
_NOBODYS = re.compile(
    r"(?:\bversion|\bv|\brelease|\bbuild|\bsection|\bchapter|\bkapitel|\bpoint|\boid)[\s.:]*$", re.IGNORECASE
)


class _Phone(Rule):
    """A number in the form of a telephone's that nothing before it says to be another thing's."""

    def _holds(self, text: str, start: int, end: int) -> bool:
        if not 6 <= sum(map(str.isdigit, text[start:end])) <= 15 or _COUNTED.search(text[max(0, start - 24) : start]):
            return False
        return not self.cue or is_announced(text, start, self.cue)


class _Email(Rule):
    """An address around an @: nothing else of the text is looked at."""

    def _matches(self, look: Look) -> Iterator[re.Match[str]]:
        text, place, last = look.text, look.text.find("@"), 0
        while place >= 0:
            found = self.pattern.search(text, max(last, place - 64), min(len(text), place + 256))
            if found:
                yield found
            last = max(place + 1, found.end() if found else 0)
            place = text.find("@", last)


class _Ip(Rule):
    """An address that exists and is somebody's."""

    def _holds(self, text: str, start: int, end: int) -> bool:
        try:
            found = ip_address(text[start:end])
        except ValueError:
            return False
        # Every machine's own address is nobody's.
        if found.is_loopback or found.is_unspecified:
            return False
        return not _NOBODYS.search(text[max(0, start - 12) : start])


RULES = (
    _Email("EMAIL", "email", re.compile(_EMAIL)),
    Rule("EMAIL", "email (at)", re.compile(_SPELT, re.IGNORECASE),
         words=tuple(f"{left}{gap}{at}" for left in "([{" for gap in ("", " ") for at in ("at", "@", "arroba"))),
    _Phone("PHONE", "phone", _SHAPED, digits=7),
    _Phone("PHONE", "phone, announced", shape(r"\(?\d(?:[ ()./-]{0,2}\d){5,13}"),
         cue=_CALLED, digits=6),
    _Ip("IP", "IPv4", re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)"), words=(".",), digits=4),
    _Ip("IP", "IPv6", re.compile(r"(?<![\w:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}"
                                   r"(?::\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"), words=("::", ":")),
)  # fmt: skip
