"""The commands that show what there is."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from nntrain.commands import AsJson, Overrides, parted
from nntrain.errors import UserError
from nntrain.garbage import not_looked_for
from nntrain.printing import print_json, print_tables, results_apart, say

if TYPE_CHECKING:
    from nntrain.parts import Parts


def check(
    configs: Annotated[list[str], Argument(metavar="CONFIG ... KEY=VALUE", help="Configs and settings.")],
    strict: Annotated[bool, Option("--strict", help="Exit with status 2 where there are alarms.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find everything that can be wrong with CONFIG, without training."""
    with not_looked_for():
        from nntrain.check import Report
        from nntrain.check import check as check_config
        from nntrain.preflight.finding import alarms
        from nntrain.request import document

    overrides, names = parted(configs)
    if not names:
        raise UserError("check needs a config, such as configs/mlp_digits.yaml")
    reports: list[Report] = []
    errors = 0
    for name in names:
        try:
            with results_apart():
                reports.append(check_config(document(name, overrides, say), name, overrides))
        except UserError as error:
            say(f"{error.said_after}{error}")
            errors += 1
    if errors:
        raise Exit(UserError.exit_status)
    if as_json:
        facts = {name: report.facts for name, report in zip(names, reports, strict=True)}
        print_json(reports[0].facts if len(reports) == 1 else facts)
    else:
        for name, report in zip(names, reports, strict=True):
            print_tables(report.tables())
            for finding in report.findings:
                print(finding.as_text(name, overrides))
    if strict and any(alarms(report.findings) for report in reports):
        raise Exit(UserError.exit_status)


def look_at_data(
    data: Annotated[str, Argument(help="A config file, the name of a shipped one, or a data set's name.")],
    overrides: Overrides = None,
    pictures: Annotated[Path | None, Option(metavar="FILE.png", help="Draw some of its images.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look into a data set: sizes, classes, ranges, lengths, examples."""
    from nntrain.look.pictures import write_grid
    from nntrain.look.report import look
    from nntrain.look.source import data_of

    with results_apart():
        name, made = data_of(data, overrides or [], say)
        report = look(name, made)
        if pictures is not None:
            write_grid(made, pictures)
    if as_json:
        print_json(report.facts)
        return
    print_tables(report.tables())
    if pictures is not None:
        print(f"images       {pictures}")


def list_components(
    kind: Annotated[str | None, Argument(help="models, data, optimizers ...; all without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the components there are."""
    from nntrain.catalog import all_kinds, listing, listing_lines
    from nntrain.registry import Registry, kind_named

    found = listing(Registry(), [kind_named(kind)] if kind else all_kinds())
    if as_json:
        print_json(found)
    else:
        print(*listing_lines(found, shutil.get_terminal_size().columns), sep="\n")


def show(
    kind: Annotated[str, Argument(help="A kind of component, such as model; or config.")],
    name: Annotated[str, Argument(help="Its name; or a config file.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show a component's formula, settings, defaults and source; or a config with every default filled in,
    and where each setting comes from."""
    if kind in ("config", "configs"):
        _show_config(name, overrides or [], as_json)
    elif overrides:
        raise UserError(f"'{overrides[0]}': only a config can be shown with other settings")
    else:
        _show_component(kind, name, as_json)


def _show_config(name: str, overrides: list[str], as_json: bool) -> None:
    from nntrain.group_table import group_lines, groups_of
    from nntrain.plan import plan
    from nntrain.provenance import annotated
    from nntrain.request import document

    groups: list[list[str]] = []

    def note(parts: "Parts") -> None:
        groups.append(group_lines(groups_of(parts.model, parts.task.objectives, parts.optimizers)))

    with results_apart():
        written = document(name, overrides, say)
        plain = plan(written, note).plain
    if as_json:
        print_json(plain)
        return
    print(annotated(written, plain), end="")
    for stage, lines in enumerate(groups):
        where = f"stages.{stage}, " if len(groups) > 1 else ""
        for line in lines:
            print(f"# {where}{line}")


def _show_component(kind: str, name: str, as_json: bool) -> None:
    from nntrain.particulars import particulars, particulars_table, picture
    from nntrain.registry import Registry, kind_named

    found = particulars(Registry(), kind_named(kind), name)
    if as_json:
        print_json(found)
        return
    print(f"{found['kind']} {found['name']}\n\n{found['description']}\n")
    if found["settings"]:
        print_tables([particulars_table(found)])
    drawn = picture(Registry(), kind_named(kind), name)
    if drawn:
        print(f"\n{drawn}")
    print(f"\nin {found['file']}")


def schema(
    config: Annotated[str | None, Argument(help="A config whose plug-ins are to be included.")] = None,
) -> None:
    """Print the JSON Schema of configs, for editors: nntrain schema > nntrain.schema.json."""
    from nntrain.json_schema import config_schema
    from nntrain.registry import Registry
    from nntrain.request import document
    from nntrain.sections import registry_of

    with results_apart():
        registry = registry_of(document(config, [], say)) if config else Registry()
        found = config_schema(registry)
    print(json.dumps(found, indent=1, ensure_ascii=False))


def board(
    runs: Annotated[Path, Argument(help="A run, or a folder of runs.")] = Path("runs"),
    port: Annotated[int, Option(help="Where TensorBoard listens, on this machine only.")] = 6006,
) -> None:
    """Open TensorBoard on runs."""
    if not runs.is_dir():
        raise UserError(f"there is no folder {runs}; give a run's folder, or the one that holds runs")
    arguments = ["--logdir", str(runs), "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "tensorboard.main", *arguments])
