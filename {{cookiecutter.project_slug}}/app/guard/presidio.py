"""Microsoft Presidio as a recogniser, with a model for names or without: the optional extra `privacy`."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.domain.masking import Found
from app.errors import CannotStart

LANGUAGE = "en"
SCORE = 0.35
# It tries each region in turn, which takes most of its time.
REGIONS = ("US", "GB", "DE", "FR")
KINDS: Mapping[str, str] = {
    "PERSON": "NAME", "EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "IBAN_CODE": "IBAN", "CREDIT_CARD": "CARD",
    "IP_ADDRESS": "IP", "LOCATION": "ADDRESS", "CRYPTO": "SECRET",
}  # fmt: skip
# Presidio switches these on for their own countries' languages only; a number is the same in any.
COUNTRIES = (
    "AuTfnRecognizer", "CaSinRecognizer", "DeIdCardRecognizer", "DeSocialSecurityRecognizer", "DeTaxIdRecognizer",
    "EsNieRecognizer", "EsNifRecognizer", "FiPersonalIdentityCodeRecognizer", "InAadhaarRecognizer", "InPanRecognizer",
    "ItFiscalCodeRecognizer", "KrRrnRecognizer", "PlPeselRecognizer", "SePersonnummerRecognizer", "SgFinRecognizer",
    "TrNationalIdRecognizer", "UkNinoRecognizer", "UsSsnRecognizer", "UsItinRecognizer", "NhsRecognizer",
    "ZaIdNumberRecognizer",
)  # fmt: skip
CONTACTS = (
    "CreditCardRecognizer", "CryptoRecognizer", "EmailRecognizer", "IbanRecognizer", "IpRecognizer",
)  # fmt: skip
MODELS = ("spacy", "gliner")
CURE = "install it with `uv sync --extra privacy` (in the image too), or set APP_PRIVACY_ENGINE=patterns"


class Presidio:
    """Presidio's patterns and, with a `model` (`spacy:<package>` or `gliner:<name or folder>`), its names and places.

    Raises CannotStart where the extra or the model is not installed; nothing is downloaded.
    """

    is_slow: ClassVar[bool] = True

    def __init__(self, model: str = "") -> None:
        kind, _, name = model.partition(":")
        if model and (kind not in MODELS or not name):
            raise CannotStart(f"APP_PRIVACY_MODEL is {model!r}; write spacy:<package> or gliner:<folder>, or empty it")
        self.model = model
        try:
            self._analyzer, self._kinds = _built(kind, name)
        except ImportError as error:
            missing = error.name or "presidio"
            raise CannotStart(f"APP_PRIVACY_ENGINE=presidio, but {missing} is not installed: {CURE}") from error

    def find(self, text: str) -> Sequence[Found]:
        """Give what Presidio is sure enough of."""
        found = self._analyzer.analyze(text, LANGUAGE, entities=list(self._kinds), score_threshold=SCORE)
        return [Found(each.start, each.end, self._kinds[each.entity_type]) for each in found]


def _built(kind: str, name: str) -> tuple[Any, Mapping[str, str]]:
    """Build the analyzer and name the kind of each of its entities; the imports take seconds."""
    analyzer: Any = importlib.import_module("presidio_analyzer")
    engines: Any = importlib.import_module("presidio_analyzer.nlp_engine")
    known: Any = importlib.import_module("presidio_analyzer.predefined_recognizers")
    domains: Any = importlib.import_module("tldextract")
    # It would ask the network for the list of domains at the first e-mail address.
    domains.extract = domains.TLDExtract(suffix_list_urls=())
    language = {"lang_code": LANGUAGE, "model_name": name or "none"}
    engine = _spacy(engines, language) if kind == "spacy" else engines.NoOpNlpEngine([language])
    engine.load()
    recognizers = [getattr(known, each)(supported_language=LANGUAGE) for each in (*COUNTRIES, *CONTACTS)]
    recognizers.append(known.PhoneRecognizer(supported_regions=REGIONS))
    if kind == "spacy":
        recognizers.append(
            known.SpacyRecognizer(supported_language=LANGUAGE, supported_entities=["PERSON", "LOCATION"])
        )
    if kind == "gliner":
        recognizers.append(_gliner(known, name))
    registry = analyzer.RecognizerRegistry(recognizers, supported_languages=[LANGUAGE])
    built = analyzer.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=[LANGUAGE])
    return built, {entity: KINDS.get(entity, "ID") for entity in sorted(built.get_supported_entities(LANGUAGE))}


def _spacy(engines: Any, language: Mapping[str, str]) -> Any:
    # Looked for first: Presidio would download a model that is not there.
    importlib.import_module(language["model_name"])
    return engines.SpacyNlpEngine(models=[dict(language)])


def _gliner(known: Any, name: str) -> Any:
    importlib.import_module("gliner")
    mapping = {"person": "PERSON", "name": "PERSON", "address": "LOCATION"}
    # Only from this machine: a service that starts without a network starts the same.
    return known.GLiNERRecognizer(model_name=name, entity_mapping=mapping, local_files_only=True)
