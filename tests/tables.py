"""Tables for the tests, made from a formula so that a network can learn them."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

TOWNS = {"Bern": 100, "Basel": 50, "Chur": 0}
HOUSES = ("area", "rooms", "town", "garden", "price")


def houses(rows: int = 200, seed: int = 0) -> list[list[str]]:
    """Areas (some missing), rooms, towns, gardens, and prices that are a sum of these."""
    draw = random.Random(seed)
    table = []
    for i in range(rows):
        area, rooms, town = draw.uniform(30, 200), draw.randint(1, 6), draw.choice([*TOWNS])
        garden = draw.random() < 0.5
        price = 2 * area + 10 * rooms + TOWNS[town] + 30 * garden
        shown = "" if i % 17 == 3 else f"{area:.1f}"
        table.append([shown, str(rooms), town, "yes" if garden else "no", f"{price:.1f}"])
    return table


def flowers(rows: int = 120, seed: int = 0) -> list[list[str]]:
    """Lengths, and a kind that they tell."""
    draw = random.Random(seed)
    kinds = [draw.choice(["iris", "lily", "rose"]) for _ in range(rows)]
    return [[f"{draw.gauss(ord(kind[0]) - ord('k'), 0.2):.3f}", f"{draw.gauss(1, 0.5):.3f}", kind] for kind in kinds]


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], separator: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path
