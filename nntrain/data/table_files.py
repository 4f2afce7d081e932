"""Opening tables, whatever files they are in."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nntrain.data.columns import Columns
from nntrain.data.delimited import Decimal, Separator, open_text
from nntrain.data.parquet import open_parquet
from nntrain.data.sheet import Sheet
from nntrain.errors import UnfitError

PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class TableFiles:
    """How tables are written: what stands for a missing value, between values, and before decimals."""

    missing: Collection[str]
    separator: Separator
    decimal: Decimal

    def open(self, path: str) -> Sheet:
        """A table, whose rows are read as they are asked for."""
        if Path(path).suffix.lower() not in PARQUET:
            return open_text(path, self.separator, self.decimal)
        for setting in ("separator", "decimal"):
            if getattr(self, setting) != "auto":
                raise UnfitError(f"{path} is no text; leave this setting out", setting)
        return open_parquet(path)

    def read(self, path: str) -> Columns:
        """A whole table."""
        return Columns.of(self.open(path), self.missing)
