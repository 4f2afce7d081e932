"""What can go wrong for a user, by exit status: 2 the input is wrong, 1 the run failed."""

WORKER_KILLED = (
    "a worker that decodes pictures was killed, as the system does when memory is used up; "
    "try fewer data.keep.workers, or 0"
)


class UserError(Exception):
    """The user's input is wrong: one sentence that says what was expected and what to write; exit status 2."""

    exit_status = 2
    said_after = "error: "


class RunError(Exception):
    """A run that had started could not go on: one sentence and what to do; exit status 1."""

    exit_status = 1
    said_after = "error: "


class UnfitError(ValueError):
    """A component cannot work with what it was given: data of the wrong shape, settings that exclude each other.

    Raised by components, with the setting that is at fault where it is one (dotted, below the component; a number
    is an entry of a list). What
    calls the component adds the component's own path in the config.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        parts = setting.split(".") if setting else []
        self.path: tuple[str | int, ...] = tuple(int(part) if part.isdigit() else part for part in parts)
        self._is_located = False

    def locate(self, path: tuple[str | int, ...]) -> None:
        """Puts the component's path before the setting's; the innermost component's counts."""
        if not self._is_located:
            self.path = (*path, *self.path)
            self._is_located = True


class MismatchError(UnfitError):
    """A component was given another kind of inputs or targets than it takes."""

    def __init__(self, name: str, takes: str, given: object, others: str) -> None:
        super().__init__(f"{name} takes {takes}, not {given}; {others}")
        self.name = name
        self.takes = takes
        self.given = given
        self.others = others

    def given_by(self, giver: str) -> str:
        """The message with the name of the data set."""
        return f"{self.name} takes {self.takes}; {giver} gives {self.given}; {self.others}"
