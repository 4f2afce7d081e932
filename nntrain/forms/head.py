"""What makes outputs of a transformer's features."""

from torch import nn

from nntrain.forms.stack import start_small


def head(features: int, outputs: int, tied_to: nn.Module | None) -> nn.Linear:
    """W h + b that starts small; W h with the weights of an embedding where it is tied to one.

    Source: Press, Wolf, Using the output embedding to improve language models, 2017, arXiv:1608.05859.
    """
    if isinstance(tied_to, nn.Embedding):
        tied = nn.Linear(features, outputs, bias=False, device="meta")
        tied.weight = tied_to.weight
        return tied
    untied = nn.Linear(features, outputs)
    start_small(untied)
    return untied
