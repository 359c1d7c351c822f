"""Values in the one form in which they are hashed and kept: what two ways of writing the same have in common."""

import re
import unicodedata
from collections.abc import Callable, Mapping

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.chassis.errors import Rejection
from services.identity.identifiers import errors
from services.identity.identifiers.scripts import has_hidden, is_confusable
from services.identity.identifiers.values import Form

MAX_CHARACTERS: Mapping[Form, int] = {
    "phone": 64,
    "email": 254,
    "device": 128,
    "address": 512,
    "payment": 128,
    "real-name": 64,
}
"""As they are sent. RFC 5321 gives an e-mail address 254; a phone has 15 digits and whatever stands between them."""
_AS_SENT: frozenset[Form] = frozenset({"email", "device", "payment"})
"""Forms in which a character that stands for another one is a mistake, or meant to deceive."""
_DEVICE = re.compile(r"[a-z0-9][a-z0-9._:-]{3,127}")
_PAYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{3,127}")
_CARD = re.compile(r"[0-9]{13,19}")
_DOCUMENT = re.compile(r"[A-Z]{2}:[A-Z0-9]{4,32}")
_MIN_ADDRESS_CHARACTERS = 5


def normalise(code: str, form: Form, region: str, value: str) -> str | Rejection:
    """A value of a type in its one form, or why it is none. `region` is the country of what names none."""
    if len(value) > MAX_CHARACTERS[form]:
        return errors.identifier_too_long(code, MAX_CHARACTERS[form])
    text = unicodedata.normalize("NFC", " ".join(value.split()) if form == "address" else value.strip())
    compatible = unicodedata.normalize("NFKC", text)
    if has_hidden(text) or (form in _AS_SENT and compatible != text):
        return errors.identifier_not_normalised(code)
    return _NORMALISERS[form](code, region, compatible)


def _phone(code: str, region: str, text: str) -> str | Rejection:
    try:
        number = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return errors.identifier_unparseable(code, "it cannot be read as a phone number")
    if number.extension:
        return errors.identifier_unparseable(code, "it has an extension")
    if not phonenumbers.is_valid_number(number):
        return errors.identifier_unparseable(code, "no such number is given to anybody")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(code: str, _: str, text: str) -> str | Rejection:
    """The domain as IDNA 2008 has it. No provider in use tells addresses apart by the case of their letters."""
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return errors.identifier_unparseable(code, "it cannot be read as an e-mail address")
    words = (*re.split(r"[.+_-]", address.local_part), *address.domain.split("."))
    if any(map(is_confusable, words)):
        return errors.identifier_confusable(code)
    return f"{address.local_part.lower()}@{address.ascii_domain.lower()}"


def _device(code: str, _: str, text: str) -> str | Rejection:
    device = text.lower()
    return device if _DEVICE.fullmatch(device) else errors.identifier_unparseable(code, "it is no device id")


def _payment(code: str, _: str, text: str) -> str | Rejection:
    """A token or fingerprint that stands for a card or an account; never the number of a card itself."""
    if _CARD.fullmatch(re.sub(r"[ -]", "", text)):
        return errors.identifier_unparseable(code, "the number of a card is not kept: send its token or fingerprint")
    return text if _PAYMENT.fullmatch(text) else errors.identifier_unparseable(code, "it is no token of a payment")


def _address(code: str, _: str, text: str) -> str | Rejection:
    """Letters and digits alone, in small letters: how an address is set out says nothing about the place."""
    words = re.findall(r"\w+", text.casefold())
    address = " ".join(words)
    is_address = len(address) >= _MIN_ADDRESS_CHARACTERS
    return address if is_address else errors.identifier_unparseable(code, "it is too short for an address")


def _real_name(code: str, region: str, text: str) -> str | Rejection:
    """The country that gave the document, and its number."""
    country, colon, number = text.upper().rpartition(":")
    if not colon:
        country = region
    document = f"{country.strip()}:{re.sub(r'[ -]', '', number)}"
    is_document = _DOCUMENT.fullmatch(document)
    return document if is_document else errors.identifier_unparseable(code, "it is no country:number of a document")


_NORMALISERS: Mapping[Form, Callable[[str, str, str], str | Rejection]] = {
    "phone": _phone,
    "email": _email,
    "device": _device,
    "address": _address,
    "payment": _payment,
    "real-name": _real_name,
}
