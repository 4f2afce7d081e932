"""Tables in Parquet files."""

from collections.abc import Iterator
from typing import Any

from nntrain.data.sheet import Row, Sheet
from nntrain.errors import UserError


def open_parquet(path: str) -> Sheet:
    """A table whose values become the text that a CSV file would have."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: to read Parquet files, pip install pyarrow (or 'nntrain[parquet]')") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {reason}") from None
    return Sheet(path, list(file.schema_arrow.names), _rows(path, file), ".")


def _rows(path: str, file: Any) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches():
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield Row(number, [_text(value) for value in values])
    except (OSError, ValueError) as error:
        raise UserError(f"{path}:{number + 1}: cannot be read: {' '.join(str(error).split())}") from None


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()
