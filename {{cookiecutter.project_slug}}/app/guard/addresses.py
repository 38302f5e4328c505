"""Where a person lives: streets with their numbers, in the order and the words of several languages."""

import re
from collections.abc import Iterator

from app.guard.rules import Look, Rule, n

# How far around a number its street and its town may stand.
_BEFORE_CHARS, _AFTER_CHARS = 50, 70
_CAP = r"[A-ZÀ-ÖØ-ÞĀ-ſ]"
_WORD = rf"{_CAP}[^\W\d_]*(?:['’.-][^\W\d_]+)*\.?"
_NUMBER = r"\d{1,5}(?:[ ]?[A-Za-z](?![^\W_]))?(?:[/-]\d{1,4}[A-Za-z]?)?"
_FLAT = r"(?:,?[ ](?:Apt|Apartment|Unit|Suite|Ste|Flat|Floor|Room)\.?[ ]?#?\w{1,6}|,?[ ]#\w{1,6})?"
_CITY = rf"{_WORD}(?:[ -]{_WORD}){n('0,2')}"
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}"
# ", 80331 München", ", London NW1 6XE", ", Springfield, IL 62704"
_AFTER = (
    rf"(?:,?(?:[ ]|\n)(?:[A-Z]{n('1,2')}-)?(?:\d{n('4,5')}|\d{n('2')}-\d{n('3')}|\d{n('3')}[ ]\d{n('2')})"
    rf"(?:[ ]?[A-Z]{n('2')})?[ ]{_CITY}"
    rf"|,(?:[ ]|\n){_CITY},?[ ](?:[A-Z]{n('2')}[ ]\d{n('5')}(?:-\d{n('4')})?|{_POSTCODE}|\d{n('4,6')})"
    rf"|,(?:[ ]|\n){_POSTCODE})?"
)
_ENGLISH = (
    r"Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Lane|Ln\.?|Drive|Dr\.?|Court|Ct\.?|Boulevard|Blvd\.?|Way|Place|Pl\.?|Square"
    r"|Sq\.?|Terrace|Close|Crescent|Parkway|Pkwy\.?|Highway|Hwy\.?|Gardens|Grove|Mews|Row|Hill|Walk|Quay|Circle|Cir\.?"
)
_BEFORE = r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Bb]d|[Pp]lace|[Aa]llée|[Cc]hemin|[Ii]mpasse|[Qq]uai|[Cc]ours)"
_SOUTH = (
    r"(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrer|Via|Viale|Piazza|Corso|Largo|Vicolo|Rua|Travessa|Praça"
    r"|Alameda|ul\.|ulica|al\.|os\.|ulitsa)"
)
_JOINED = (
    r"(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|chaussee|steig|hof|markt|straat|laan|plein|gracht"
    r"|kade|singel|gatan|vägen|gränd|gata|veien|vej|gade|katu|tie)"
)
_LINKS = (
    r"(?:(?:de|du|des|d'|la|le|las|los|l'|del|della|dei|di|da|do|dos|el|van|von|der|den|dem|am|im|an|zum|zur|y|of|the)"
    r"[ ]?)"
)
_ORDINAL = r"\d{1,3}(?:st|nd|rd|th)"

_ENGLISH_WORDS = tuple(
    f" {word}" for word in (
        "st", "ave", "road", "rd", "lane", "ln", "drive", "dr", "court", "ct", "boulevard", "blvd", "way", "place",
        "pl", "square", "sq", "terrace", "close", "crescent", "park", "pkwy", "highway", "hwy", "garden", "grove",
        "mews", "row", "hill", "walk", "quay", "cir",
    )
)  # fmt: skip


class _Numbered(Rule):
    """A street around a number: nothing else of the text is looked at."""

    def _matches(self, look: Look) -> Iterator[re.Match[str]]:
        last = 0
        for start, end, _ in look.windows:
            found = self.pattern.search(look.text, max(last, start - _BEFORE_CHARS), end + _AFTER_CHARS)
            # What was found may belong to a later number, and go on behind this one's reach.
            found = found and self.pattern.match(look.text, found.start(), found.end() + _AFTER_CHARS)
            if found:
                last = found.end()
                yield found


_JOINED_WORDS = tuple(word.replace(".", "") for word in _JOINED.removeprefix("(?:").removesuffix(")").split("|"))

RULES = (
    _Numbered("ADDRESS", "street, English",
         re.compile(rf"(?<![\w.,/-]){_NUMBER}[ ](?:{_WORD}|{_ORDINAL})[ ]"
                    rf"(?:(?:{_WORD}|{_ORDINAL}|of|the)[ ]){n('0,3')}(?:{_ENGLISH})"
                    rf"(?![^\W_])(?:[ ](?:NW|NE|SW|SE|[NSEW])(?!\w))?{_FLAT}{_AFTER}"), words=_ENGLISH_WORDS),
    _Numbered("ADDRESS", "street, joined",
         re.compile(rf"(?<![\w-])(?:{_WORD}[ -]){n('0,2')}(?:{_CAP}[^\W\d_]*(?:-{_CAP}[^\W\d_]*)*-?{_JOINED}|{_CAP}"
                    rf"[^\W\d_]*[ -](?:Straße|Strasse|Str\.|Weg|Platz|Allee|Ring|Damm|Ufer))[ ]{_NUMBER}"
                    rf"(?![^\W_]){_AFTER}"), words=_JOINED_WORDS),
    _Numbered("ADDRESS", "street, German with preposition",
         re.compile(rf"(?<![^\W_])(?:Am|Im|An der|An den|Auf der|Auf dem|Unter den|Zum|Zur|In der|Hinter der)[ ]{_WORD}"
                    rf"[ ]{_NUMBER}(?![^\W_]),[ ]\d{n('5')}[ ]{_CITY}"),
         words=("am ", "im ", "an de", "auf de", "unter den", "zum ", "zur ", "in der", "hinter der")),
    _Numbered("ADDRESS", "street, French",
         re.compile(rf"(?<![\w.,/-])\d{n('1,4')}(?:[ ]?(?:bis|ter))?,?[ ]{_BEFORE}[ ]"
                    rf"(?:{_LINKS}*{_WORD}[ -]?){n('1,4')}"
                    rf"(?<=[^\W_]){_AFTER}"),
         words=("rue", "avenue", "boulevard", "bd ", "place", "allée", "chemin", "impasse", "quai", "cours")),
    _Numbered("ADDRESS", "street, Romance and Polish",
         re.compile(rf"(?<![^\W_]){_SOUTH}[ ]?(?:{_LINKS}*{_WORD}[ ]?){n('1,4')}"
                    rf"(?:,|,?[ ]n\.?[º°]|,?[ ]nº)?[ ]?{_NUMBER}"
                    rf"(?![^\W_])(?:,?[ ]\d{n('1,2')}[ºª°]?[ ]?[A-Z](?!\w))?{_AFTER}"),
         words=("calle", "c/", "avenida", "av", "plaza", "paseo", "carrer", "via", "piazza", "corso", "largo", "vicolo",
                "rua", "travessa", "praça", "alameda", "ul", "al.", "os.")),
    _Numbered("ADDRESS", "post box",
         re.compile(rf"(?<![^\W_])(?:P\.?[ ]?O\.?[ ]?Box|Postfach|Boîte postale|Apartado"
                    rf"(?: de correos)?)[ ]\d{n('1,6')}"
                    rf"{_AFTER}", re.IGNORECASE), words=("box", "postfach", "boîte postale", "apartado")),
    _Numbered("ADDRESS", "postcode, British", re.compile(rf"(?<![\w-]){_POSTCODE}(?![\w-])")),
)  # fmt: skip
