"""Check digits, by which a number proves that it is one of its kind; each takes the number without separators."""

from datetime import date

_NIR = {"2A": "19", "2B": "18"}
_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_OMOCODE = str.maketrans("LMNPQRSTUV", "0123456789")
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_TIMES = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_TURNS = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def luhn(number: str) -> bool:
    """Check by ISO/IEC 7812-1, annex B: payment cards, SE and CA person numbers, ZA identity numbers."""
    digits = [int(each) for each in number][::-1]
    return sum(sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(digits)) % 10 == 0


def mod97(iban: str) -> bool:
    """Check by ISO 7064 MOD 97-10, as ISO 13616 wants of an IBAN (capital letters)."""
    return int("".join(str(int(each, 36)) for each in iban[4:] + iban[:4])) % 97 == 1


def verhoeff(number: str) -> bool:
    """Check by Verhoeff's scheme in the dihedral group of order 10: IN Aadhaar."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_TIMES[check][int(_TURNS[place % 8][int(digit)])])
    return check == 0


def weighted(number: str, weights: tuple[int, ...]) -> int:
    """Give the sum of the digits, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))


def nhs(number: str) -> bool:
    """Check a GB NHS number: 11 less the weighted sum modulo 11."""
    return (11 - weighted(number, tuple(range(10, 1, -1))) % 11) % 11 == int(number[9])


def steuer_id(number: str) -> bool:
    """Check a DE Steuer-ID: ISO 7064 MOD 11,10, and one digit that comes twice or three times among the first ten."""
    counts = sorted(number[:10].count(digit) for digit in set(number[:10]))
    if counts[-1] not in (2, 3) or (len(counts) > 1 and counts[-2] > 1) or number[0] == "0":
        return False
    product = 10
    for digit in number[:10]:
        product = (2 * ((int(digit) + product) % 10 or 10)) % 11
    return (11 - product) % 10 == int(number[10])


def ausweis(number: str) -> bool:
    """Check the tenth character of a DE identity card: weights 7, 3, 1, letters from A = 10."""
    return sum(int(each, 36) * (7, 3, 1)[place % 3] for place, each in enumerate(number[:9])) % 10 == int(number[9])


def nir(number: str) -> bool:
    """Check the key of a FR NIR; Corsica's departments count as 19 and 18."""
    digits = number[:5] + _NIR.get(number[5:7], number[5:7]) + number[7:13]
    return 97 - int(digits) % 97 == int(number[13:15])


def dni(number: str) -> bool:
    """Check the letter of an ES DNI or NIE; X, Y and Z of a NIE count as 0, 1 and 2."""
    return _DNI[int(number[:-1].translate(str.maketrans("XYZ", "012"))) % 23] == number[-1]


def codice_fiscale(code: str) -> bool:
    """Check the last letter of an IT codice fiscale, letters in place of digits (omocodia) included."""
    total = 0
    for place, each in enumerate(code[:15]):
        number = int(each) if each.isdigit() else ord(each) - ord("A")
        total += number if place % 2 else _ODD[number]
    day = int(code[9:11].translate(_OMOCODE))
    return chr(ord("A") + total % 26) == code[15] and 1 <= day % 40 <= 31


def bsn(number: str) -> bool:
    """Check a NL BSN by the test of eleven."""
    return int(number) > 0 and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pesel(number: str) -> bool:
    """Check a PL PESEL: weights 1, 3, 7, 9, and a birthday whose month tells the century."""
    total = weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    century = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[int(number[2:4]) // 20]
    is_born = is_date(century + int(number[:2]), int(number[2:4]) % 20, int(number[4:6]))
    return is_born and (10 - total % 10) % 10 == int(number[10])


def personnummer(number: str) -> bool:
    """Check a SE personnummer of 10 digits: Luhn, and a birthday (day plus 60 for a coordination number)."""
    return luhn(number) and is_date(2000, int(number[2:4]), int(number[4:6]) % 60)


def fodselsnummer(number: str) -> bool:
    """Check both check digits of a NO fødselsnummer, and its birthday (day plus 40 for a D number)."""
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 == second % 11 and is_date(2000, int(number[2:4]), int(number[:2]) % 40)


def hetu(number: str) -> bool:
    """Check the last character of a FI henkilötunnus, `ddmmyy` and `nnnc` without the sign between."""
    return _HETU[int(number[:9]) % 31] == number[9] and is_date(2000, int(number[2:4]), int(number[:2]))


def rijksregister(number: str) -> bool:
    """Check a BE national number: 97 less the number modulo 97, with a 2 before it for those born from 2000 on."""
    last = int(number[9:])
    return any(97 - int(before + number[:9]) % 97 == last for before in ("", "2"))


def cpf(number: str) -> bool:
    """Check both check digits of a BR CPF."""
    if len(set(number)) == 1:
        return False
    first = weighted(number, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(number, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return (first, second) == (int(number[9]), int(number[10]))


def resident_id(number: str) -> bool:
    """Check a CN resident identity card: ISO 7064 MOD 11-2, and a birthday."""
    weights = tuple(2**power % 11 for power in range(17, 0, -1))
    is_born = is_date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    return is_born and "10X98765432"[weighted(number[:17], weights) % 11] == number[17]


def ahv(number: str) -> bool:
    """Check a CH AHV number as an EAN-13."""
    return weighted(number, (1, 3) * 6) % 10 == (10 - int(number[12])) % 10


def nif(number: str) -> bool:
    """Check a PT NIF: weights 9 to 2, modulo 11."""
    check = 11 - weighted(number, tuple(range(9, 1, -1))) % 11
    return (0 if check > 9 else check) == int(number[8])


def kimlik(number: str) -> bool:
    """Check both check digits of a TR kimlik number."""
    digits = [int(each) for each in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] != 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def is_date(year: int, month: int, day: int) -> bool:
    """Say whether there is such a day; 2000, a leap year, where the century is not known."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
