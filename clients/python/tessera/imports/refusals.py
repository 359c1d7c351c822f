"""Why rows are not imported."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why this side refuses a row; identity's own reasons come beside them, by the names of its contract."""

    CELLS_DIFFER = "CELLS_DIFFER"
    ENCODING_INVALID = "ENCODING_INVALID"
    DOMAIN_UNKNOWN = "DOMAIN_UNKNOWN"
    EXTERNAL_ID_MISSING = "EXTERNAL_ID_MISSING"
    EXTERNAL_ID_TOO_LONG = "EXTERNAL_ID_TOO_LONG"
    VERIFIED_INVALID = "VERIFIED_INVALID"
    ATTRIBUTE_TOO_LONG = "ATTRIBUTE_TOO_LONG"
    IDENTIFIER_TOO_LONG = "IDENTIFIER_TOO_LONG"
    DUPLICATE_ROW = "DUPLICATE_ROW"
    ACCOUNT_CONFLICT = "ACCOUNT_CONFLICT"
    ATTRIBUTES_CONFLICT = "ATTRIBUTES_CONFLICT"
    DOMAIN_ACCOUNT_LIMIT = "DOMAIN_ACCOUNT_LIMIT"
    PERSON_CONFLICT = "PERSON_CONFLICT"
    PERSON_REFUSED = "PERSON_REFUSED"


MEANINGS = {
    Reason.CELLS_DIFFER: "the row has not as many cells as the header",
    Reason.ENCODING_INVALID: "the text is not UTF-8",
    Reason.DOMAIN_UNKNOWN: "identity has no such domain",
    Reason.EXTERNAL_ID_MISSING: "the external id is empty",
    Reason.EXTERNAL_ID_TOO_LONG: "the external id is longer than 512 bytes",
    Reason.VERIFIED_INVALID: "must be true or false, or empty, which is false",
    Reason.ATTRIBUTE_TOO_LONG: "the value is longer than 1,024 bytes",
    Reason.IDENTIFIER_TOO_LONG: "the identifier is longer than its type allows",
    Reason.DUPLICATE_ROW: "an earlier row says the same",
    Reason.ACCOUNT_CONFLICT: "another row says something else of the same account",
    Reason.ATTRIBUTES_CONFLICT: "two rows of the person have attributes, and not the same",
    Reason.DOMAIN_ACCOUNT_LIMIT: "the person has more accounts in the domain than a member may have there",
    Reason.PERSON_CONFLICT: "identity knows the accounts of the person as those of several members",
    Reason.PERSON_REFUSED: "the row that was to enrol the person was refused",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not imported; `column` is empty where the whole row is meant. It never tells a value."""

    column: str
    reason: str

    @property
    def meaning(self) -> str:
        """A sentence for people."""
        return MEANINGS[Reason(self.reason)] if self.reason in Reason.__members__ else "identity refused it"
