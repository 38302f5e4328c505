"""Numbers by which states know a person: each with its shape, its check digits, and the words that announce it."""

from collections.abc import Callable

from app.guard import checksums
from app.guard.rules import Rule, n, shape

_ID = "ID"
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_OMO = "[0-9LMNPQRSTUV]"
_ANY_ID = ("id no", "id num", "id-n", "id card", "identity", "national id", "tax id", "tax no", "tax num", "taxpayer")


def _last_ten(check: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda number: check(number.replace("+", "")[-10:])


RULES = (
    Rule(_ID, "US SSN", shape(r"(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}"), digits=9),
    Rule(_ID, "US SSN", shape(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
         cue=("ssn", "social sec", "itin", "social-sec", "tin"), alone=False, digits=9),
    Rule(_ID, "US ITIN", shape(r"9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}"), digits=9),
    Rule(_ID, "GB NINO", shape(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?: ?\d{2}){3} ?[A-D]"),
         digits=6),
    Rule(_ID, "GB NHS", shape(r"\d{3} \d{3} \d{4}"), proof=checksums.nhs, cue=("nhs", "patient"), digits=10),
    Rule(_ID, "GB NHS", shape(r"\d{3}[ -]?\d{3}[ -]?\d{4}"), cue=("nhs",), alone=False, digits=10),
    Rule(_ID, "DE Steuer-ID", shape(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}"), proof=checksums.steuer_id,
         cue=("steuer-id", "steuerid", "steueridentifikation", "identifikationsnummer", "idnr", "tin"), digits=11),
    Rule(_ID, "DE Ausweis", shape(r"[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}\d?"),
         cue=("personalausweis", "ausweis", "reisepass", "id card", "identity card"), alone=False, digits=1),
    Rule(_ID, "DE Sozialversicherung", shape(rf"\d{n('2')} ?{_DAY}{_MONTH}\d{n('2')} ?[A-Z] ?\d{n('3')}"),
         cue=("sozialversicherung", "rentenversicherung", "sv-n", "svn"), alone=False, digits=11),
    Rule(_ID, "FR NIR",
         shape(rf"[12] ?\d{n('2')} ?(?:{_MONTH}|[2-9]\d) ?(?:\d{n('2')}|2[AB]) ?\d{n('3')} ?\d{n('3')} ?\d{n('2')}"),
         proof=checksums.nir, cue=("sécu", "secu", "nir", "insee"), digits=13),
    Rule(_ID, "ES DNI", shape(r"\d{8}[ -]?[A-HJ-NP-TV-Z]"), proof=checksums.dni, cue=("dni", "nif"), digits=8),
    Rule(_ID, "ES NIE", shape(r"[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]"), proof=checksums.dni, cue=("nie",), digits=7),
    Rule(_ID, "IT codice fiscale",
         shape(rf"[A-Z]{n('6')} ?{_OMO}{n('2')}[ABCDEHLMPRST]{_OMO}{n('2')} ?[A-Z]{_OMO}{n('3')}[A-Z]"),
         proof=checksums.codice_fiscale, cue=("codice fiscale", "c.f.", "cf"), digits=1),
    Rule(_ID, "NL BSN", shape(r"\d{4}[. ]?\d{2}[. ]?\d{3}"), cue=("bsn", "burgerservice", "sofi"), alone=False,
         digits=9),
    Rule(_ID, "BE rijksregister", shape(r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"), proof=checksums.rijksregister, digits=11),
    Rule(_ID, "BE rijksregister", shape(r"\d{6}[ -]?\d{3}[. ]?\d{2}"), proof=checksums.rijksregister,
         cue=("rijksregister", "registre national", "insz", "niss"), alone=False, digits=11),
    Rule(_ID, "PL PESEL", shape(r"\d{11}"), proof=checksums.pesel, cue=("pesel",), digits=11),
    Rule(_ID, "SE personnummer", shape(rf"(?:19|20)?\d{n('2')}{_MONTH}(?:{_DAY}|[6-9]\d)[-+]\d{n('4')}"),
         proof=_last_ten(checksums.personnummer), cue=("personn", "samordningsn"), digits=10),
    Rule(_ID, "SE personnummer", shape(rf"(?:19|20)\d{n('2')}{_MONTH}{_DAY}\d{n('4')}"),
         proof=_last_ten(checksums.personnummer), cue=("personn", "samordningsn"), digits=12),
    Rule(_ID, "NO fødselsnummer", shape(rf"(?:[04][1-9]|[1256]\d|[37][01]){_MONTH}\d{n('2')} ?\d{n('5')}"),
         proof=checksums.fodselsnummer, cue=("fødselsn", "fodselsn", "personnummer"), digits=11),
    Rule(_ID, "DK CPR", shape(rf"{_DAY}{_MONTH}\d{n('2')}-?\d{n('4')}"), cue=("cpr", "personnummer"), alone=False,
         digits=10),
    Rule(_ID, "FI hetu", shape(rf"{_DAY}{_MONTH}\d{n('2')}[-+A-FU-Y]\d{n('3')}[0-9A-FHJ-NPR-Y]"),
         proof=lambda code: checksums.hetu((code if len(code) == 10 else code[:6] + code[7:]).replace("+", "")),
         cue=("henkilötunnus", "hetu"), digits=9),
    Rule(_ID, "PT NIF", shape(r"[1-35689]\d{2} ?\d{3} ?\d{3}"), cue=("nif", "contribuinte"), alone=False,
         digits=9),
    Rule(_ID, "CH AHV", shape(r"756\.?\d{4}\.?\d{4}\.?\d{2}"), proof=checksums.ahv, cue=("ahv", "avs"), digits=13),
    Rule(_ID, "AT SVNR", shape(rf"[1-9]\d{n('3')} ?{_DAY}{_MONTH}\d{n('2')}"),
         cue=("sozialversicherung", "sv-n", "svn", "svnr"), alone=False, digits=10),
    Rule(_ID, "IN Aadhaar", shape(r"[2-9]\d{3}([ -])\d{4}\1\d{4}"), proof=checksums.verhoeff,
         cue=("aadhaar", "aadhar", "adhaar"), digits=12),
    Rule(_ID, "IN Aadhaar", shape(r"[2-9]\d{11}"), cue=("aadhaar", "aadhar", "adhaar", "uidai"), alone=False,
         digits=12),
    Rule(_ID, "IN PAN", shape(r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"), digits=4),
    Rule(_ID, "BR CPF", shape(r"\d{3}\.\d{3}\.\d{3}-\d{2}"), digits=11),
    Rule(_ID, "BR CPF", shape(r"\d{11}"), proof=checksums.cpf, cue=("cpf",), digits=11),
    Rule(_ID, "CA SIN", shape(r"\d{3}[- ]?\d{3}[- ]?\d{3}"), cue=("sin", "social insurance"), alone=False,
         digits=9),
    Rule(_ID, "CN resident ID", shape(r"[1-9]\d{5}(?:19|20)\d{9}[\dX]"), proof=checksums.resident_id, digits=17),
    Rule(_ID, "KR RRN", shape(rf"\d{n('2')}{_MONTH}{_DAY}-[1-8]\d{n('6')}"), digits=13),
    Rule(_ID, "MX CURP",
         shape(rf"[A-Z][AEIOUX][A-Z]{n('2')}\d{n('2')}{_MONTH}{_DAY}[HMX][A-Z]{n('5')}[A-Z0-9]\d"), digits=7),
    Rule(_ID, "ZA ID", shape(rf"\d{n('2')}{_MONTH}{_DAY} ?\d{n('4')} ?[01]\d{n('2')}"), proof=checksums.luhn,
         cue=("id no", "id num", "identity"), digits=13),
    Rule(_ID, "TR kimlik", shape(r"[1-9]\d{10}"), proof=checksums.kimlik, cue=("kimlik", "tckn"), digits=11),
    Rule(_ID, "AU TFN", shape(r"\d{3} ?\d{3} ?\d{2,3}"), cue=("tfn", "tax file"), alone=False, digits=8),
    Rule(_ID, "JP my number", shape(r"\d{4}[ -]?\d{4}[ -]?\d{4}"), cue=("my number", "mynumber", "マイナンバー"),
         alone=False, digits=12),
    Rule(_ID, "SG NRIC", shape(r"[STFGM]\d{7}[A-Z]"), digits=7),
    Rule(_ID, "passport", shape(r"(?=[A-Z]*\d)[A-Z0-9]{6,9}"),
         cue=("passport", "passeport", "pasaporte", "passaporto", "paspoort", "reisepass"), alone=False, digits=5),
    Rule(_ID, "driver's licence", shape(r"(?=[A-Z]*\d)[A-Z0-9](?:[- ]?[A-Z0-9]){5,17}"),
         cue=("driver's licen", "drivers licen", "driver licen", "drivers' licen", "driving licen", "führerschein"),
         alone=False, digits=5),
    Rule(_ID, "any", shape(r"(?=[A-Z]*\d)[A-Z0-9](?:[- ]?[A-Z0-9]){6,13}"), cue=_ANY_ID, alone=False, digits=6),
)  # fmt: skip
