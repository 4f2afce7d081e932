"""Goes back to the last checkpoint."""

from nntrain.registry import remedy
from nntrain.remedies import Remedy
from nntrain.settings import Count, Share


@remedy("back")
def back(*, times: Count = 3, factor: Share = 0.5) -> Remedy:
    """Goes back to the last checkpoint, or to the start where there is none, and on with a lower learning rate.

    The curves are cut back to it. With trainer.save in steps or epochs, and not in wall time, the run can be repeated.
    Source: Chowdhery et al., PaLM, 2022, arXiv:2204.02311, section 5.1 (there with other batches in place of a lower
    rate).

    Settings:
        times: how often, before the run stops
        factor: what the rate is multiplied with each time
    """
    return Remedy(returns=times, factor=factor)
