"""Weights that torchvision publishes: looked for on disk, else downloaded, and checked against their hash."""

import re
import sys
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nntrain.errors import UserError


def published_weights(name: str) -> dict[str, Tensor]:
    """The newest weights of a torchvision network, by torchvision's parameter names.

    They lie where torch.hub keeps them (`$TORCH_HOME/hub/checkpoints`). The file's name ends in the first digits
    of its SHA-256; a file that does not fit it is a UserError, and no pickled code is run.
    """
    from torchvision.models import get_model_weights

    weights: Any = get_model_weights(name)
    url: str = weights.DEFAULT.url
    path = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if not path.exists():
        _download(url, path)
    with path.open("rb") as file:
        if not file_digest(file, "sha256").hexdigest().startswith(_hash_in(path.name)):
            raise UserError(f"{path} is damaged: its SHA-256 does not fit its name; remove it and fetch {url} again")
    return torch.load(path, map_location="cpu", weights_only=True)


def _hash_in(name: str) -> str:
    """The hexadecimal digits between the last hyphen and the suffix: resnet18-f37072fd.pth."""
    found = re.search(r"-([0-9a-f]{8,})\.", name)
    assert found is not None
    return found[1]


def _download(url: str, path: Path) -> None:
    print(f"downloading {url} to {path}", file=sys.stderr)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _hash_in(path.name), progress=False)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the weights {path.name} could not be downloaded ({error}); fetch {url} and put it into {path.parent}"
        ) from None
