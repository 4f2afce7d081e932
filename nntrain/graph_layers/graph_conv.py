"""The plain graph convolution."""

from nntrain.geometric import geometric
from nntrain.graph_layers import ByMessages
from nntrain.registry import graph_layer


@graph_layer("graph_conv")
class GraphConvolution(ByMessages):
    """Each node takes itself and the sum of its neighbours, with a matrix for each.

    h_i' = W1 h_i + sum over neighbours j of W2 h_j + b

    The sum knows how many neighbours there are, as the mean of `sage` does not.
    Source: Morris et al., Weisfeiler and Leman go neural: higher-order graph neural networks, 2019,
    arXiv:1810.02244; torch_geometric's GraphConv (W1 is its lin_root, W2 its lin_rel).
    """

    def __init__(self, inputs: int, outputs: int, is_last: bool) -> None:
        super().__init__(geometric("nn").GraphConv(inputs, outputs))
