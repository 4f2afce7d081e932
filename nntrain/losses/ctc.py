"""Connectionist temporal classification."""

import torch.nn.functional as F
from torch import Tensor

from nntrain.batch import IGNORED, Sequences
from nntrain.device import at_least_single
from nntrain.registry import loss
from nntrain.specs import Transcripts


@loss("ctc")
class ConnectionistTemporalClassification:
    """How unlikely a transcript is under outputs that say at every step which symbol, or none (blank), is there.

    L = -sum_i log sum over paths of prod_t p_it(path_t), p = softmax(z)

    The paths are all sequences of symbols and blanks that become the transcript when first repetitions, then blanks
    are left out. Outputs z are logits (batch, time, symbols + 1), the last for the blank, and their lengths; targets
    are symbols (batch, length) with IGNORED behind the last. A transcript that is too long for its sequence, which
    no path writes, counts nothing. In nats.
    Source: Graves, Fernandez, Gomez, Schmidhuber, Connectionist temporal classification, 2006.
    """

    is_of_examples = True
    starts_at_guessing = False  # of how likely a transcript is by chance, its length decides

    def __init__(self, targets: Transcripts) -> None:
        pass

    def __call__(self, outputs: Sequences, targets: Tensor) -> Tensor:
        log_p = F.log_softmax(at_least_single(outputs.values), dim=2).transpose(0, 1)
        is_symbol = targets != IGNORED
        steps = outputs.lengths if outputs.lengths is not None else targets.new_full((len(targets),), len(log_p))
        return F.ctc_loss(
            log_p,
            targets * is_symbol,
            steps,
            is_symbol.sum(dim=1),
            blank=log_p.shape[2] - 1,
            reduction="none",
            zero_infinity=True,
        )
