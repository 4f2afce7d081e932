"""Autoencoders."""

from torch import Tensor, nn

from nntrain.registry import model
from nntrain.settings import Coder, Count
from nntrain.specs import Image, Reconstruction, Vector


@model("autoencoder")
class Autoencoder(nn.Module):
    """An autoencoder: it puts out its inputs again, through a code of few numbers.

    code = encoder(x);  x' = decoder(code)

    Takes vectors and images, with task autoencoding, which also makes it denoising or sparse. With one linear
    layer each way it finds the subspace of the principal components. Good for compressing, for features without
    labels, and as a start for deep networks.
    Source: Hinton, Salakhutdinov, Reducing the dimensionality of data with neural networks, 2006; denoising:
    Vincent et al. 2008.

    Settings:
        code: how many numbers the code has
        layers: the layers between inputs and code, and back
        tied: whether the decoder's weights are the encoder's, transposed
    """

    def __init__(
        self,
        inputs: Vector | Image,
        outputs: Reconstruction,
        *,
        code: Count = 32,
        layers: Coder = "dense",
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = layers(inputs, code, tied)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
