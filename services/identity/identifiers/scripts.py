"""Writing systems: which texts pass for what they are not."""

import unicodedata

LATIN_LIKE = frozenset("аеорсухіјѕһԁԛԝӏ" + "οαυνικρτ")  # noqa: RUF001  # they are what is looked for
"""Cyrillic and Greek small letters that look like Latin ones."""
ASIAN = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that are written together (UTS 39, "Highly Restrictive")."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = ("COMBINING", "VARIATION", "IDEOGRAPHIC", "MODIFIER", "KATAKANA-HIRAGANA")


def has_hidden(text: str) -> bool:
    """Whether it has characters that do not show or are not assigned: controls, directions, surrogates."""
    return any(unicodedata.category(character) in _HIDDEN for character in text)


def is_confusable(text: str) -> bool:
    """Whether one word mixes scripts that are not written together, or could be read as a Latin one."""
    letters = [character for character in text.lower() if character.isalpha()]
    scripts = {_script(letter) for letter in letters} - {""}
    if len(scripts) > 1:
        return not any(scripts <= together for together in ASIAN)
    return bool(letters) and scripts <= {"CYRILLIC", "GREEK"} and LATIN_LIKE.issuperset(letters)


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0]
    return "" if name in _MARKS else name
