"""The language of a text is named when it is certain, and left open when it is not."""

import pytest

from app.retrieval.language import language_of

TEXTS = {
    "english": (
        "The people who work here have 25 days of leave in a year, and those who stay for more than five "
        "years have one day more than that."
    ),
    "german": (
        "Wer hier arbeitet, hat im Jahr 25 Tage Urlaub, und wer mehr als fünf Jahre bleibt, der hat einen Tag"
        " mehr, wenn es der Vertrag nicht anders sagt."
    ),
    "french": (
        "Les personnes qui travaillent ici ont droit à 25 jours de congé dans une année, et celles qui "
        "restent plus de cinq ans ont un jour de plus."
    ),
    "spanish": (
        "Las personas que trabajan en la empresa tienen 25 días de vacaciones en el año, y los que están más "
        "de cinco años tienen un día más que los otros."
    ),
    "italian": (
        "Le persone che lavorano in azienda hanno 25 giorni di ferie per ogni anno, e quelle che sono con noi"
        " da più di cinque anni hanno un giorno in più."
    ),
    "portuguese": (
        "As pessoas que trabalham na empresa têm 25 dias de férias por ano, e os que estão há mais de cinco "
        "anos têm um dia a mais do que os outros, não dois."
    ),
    "dutch": (
        "De mensen die hier werken hebben 25 dagen verlof in een jaar, en wie langer dan vijf jaar blijft "
        "heeft er een dag bij, als dat in het contract is bepaald."
    ),
    "swedish": (
        "De som arbetar här har 25 dagar semester om året, och den som är kvar i mer än fem år har en dag "
        "till, om det inte står något annat i avtalet som gäller."
    ),
    "danish": (
        "De, der arbejder her, har 25 dages ferie om året, og den, som bliver her i mere end fem år, har en "
        "dag mere, hvis det ikke er aftalt på en anden måde fra starten."
    ),
    "finnish": (
        "Työntekijällä on vuodessa 25 päivää lomaa, ja jos hän on ollut talossa yli viisi vuotta, se on "
        "päivää pidempi, mutta ei enempää, kun sopimus on tehty ja se on myös voimassa."
    ),
    "russian": (
        "Сотрудники имеют право на отпуск в 25 дней в год, и если они работают у нас более пяти лет, то это "
        "на один день больше, но не для тех, кто был принят по договору."
    ),
    "turkish": (
        "Burada çalışan bir kişi için yılda 25 gün izin var ve beş yıldan daha çok kalan için bir gün daha "
        "var, ama bu en çok otuz gün kadar olan bir izin ile sınırlı."
    ),
}


@pytest.mark.parametrize("language", TEXTS)
def test_running_text_has_a_language(language: str) -> None:
    assert language_of([TEXTS[language]]) == language


@pytest.mark.parametrize(
    "text", ["", "The short one is of no use.", "TW-1 640 TW-2 690 " * 50, "会社の休暇は年に二十五日です。" * 50]
)
def test_too_little_says_nothing(text: str) -> None:
    assert language_of([text]) == ""


def test_two_languages_are_none() -> None:
    assert language_of([TEXTS["german"], TEXTS["english"]]) == ""


def test_the_letters_of_a_number_are_of_no_language() -> None:
    asked = "How do I enter developer mode on the tablet? It is"
    assert language_of([f"{asked} 9a57e1117c14a49e833da63e0o92a46e3"], least_words=12) == ""
    assert language_of([f"{TEXTS['english']} 9a57a1a17o14a49a833da63e0o92a46e3"]) == "english"
