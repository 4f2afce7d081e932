"""The user's own table."""

from collections.abc import Iterator, Sequence

from nntrain.data import Learned
from nntrain.data.column_types import ColumnType
from nntrain.data.delimited import Decimal, Separator
from nntrain.data.encoding import Imputation
from nntrain.data.own_files import FromFiles
from nntrain.data.plain_files import Piece
from nntrain.data.table_files import TableFiles
from nntrain.data.table_plan import Plan
from nntrain.data.table_rows import examples_in
from nntrain.data.table_set import TableSet, columns_of
from nntrain.registry import data
from nntrain.settings import PathText

MISSING = ["NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?"]


@data("table", within=FromFiles)
class Table:
    """Your own table: CSV, TSV or Parquet, the first row names the columns, each other row is an example.

    x = (numbers and booleans, a flag for each missing number, a flag for each category)

    What a column holds is told by its values (printed before training, and pinned by `columns`): booleans are true
    and false, or yes and no; numbers where more than half are, text among them being an error; categories are at most
    100 different texts, each twice or more on average. Other text, and whole numbers that only count the rows, are
    left out, and said so; dates are refused. The target is a class where it is text, boolean, or at most 20 different
    whole numbers, each five times or more on average; else a value. What stands for missing numbers, the categories
    and the classes are learned of the training set. A category that is missing, or that the training set does not
    have, has no flag; the model entity_embedding learns a vector for each of the others.

    Text is in UTF-8, with values between commas, semicolons, tabs or bars, in quotes where they hold such. Parquet
    files need pyarrow: pip install 'nntrain[parquet]'.
    Source: own; flags and imputation as sklearn.preprocessing.OneHotEncoder and sklearn.impute.SimpleImputer.

    Settings:
        path: the file; with dev or test, the rows for training
        target: the column to predict, or several of numbers
        columns: what columns hold, by name: number, boolean, category; ignore leaves one out
        dev: a file with the rows of the dev set, its columns in any order; left out, some of path
        test: a file with the rows of the test set; left out, some of path
        group: a column, no input: rows with the same value in it stay together when path is divided
        time: a column of numbers or dates (2021-03-31), no input: the last rows are the test set, those before the dev
            set
        weight: a column, no input, that says how much a row counts in the loss
        impute: the number that stands for a missing one
        flag_missing: whether a flag says where a number is missing, for columns that miss some in training
        missing: what else than nothing stands for a missing value
        separator: what stands between values; auto looks
        decimal: what stands before decimals; auto looks
    """

    def __init__(
        self,
        *,
        path: PathText,
        target: str | list[str],
        columns: dict[str, ColumnType] = {},  # noqa: B006
        dev: PathText | None = None,
        test: PathText | None = None,
        group: str | None = None,
        time: str | None = None,
        weight: str | None = None,
        impute: Imputation = "mean",
        flag_missing: bool = False,
        missing: list[str] = MISSING,
        separator: Separator = "auto",
        decimal: Decimal = "auto",
    ) -> None:
        own = {name: path for name, path in (("dev", dev), ("test", test)) if path is not None}
        files = TableFiles(missing, separator, decimal)
        self._plan = Plan(path, own, files, target, group, time, weight, columns, impute, flag_missing)

    def read(self, stored: Learned | None) -> TableSet:
        return TableSet(self._plan, stored)

    def given(self, paths: Sequence[str], learned: Learned) -> Iterator[Piece]:
        self._plan.check_learned(learned)
        return examples_in(self._plan.files, paths, columns_of(learned))
