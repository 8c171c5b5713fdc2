"""The segmentation network with an open seam: encoder, decoder, head (paper 3.1, 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from voidscope.config import ModelConfig
from voidscope.errors import ConfigError, NotReady, is_out_of_memory
from voidscope.model.detail import DetailNetwork, void_together
from voidscope.model.failures import one_line
from voidscope.model.imagenet import load_imagenet
from voidscope.model.randomness import torch_seeded
from voidscope.model.weights import load_backbone, load_weights

if TYPE_CHECKING:
    import segmentation_models_pytorch as smp

STRIDE = 32
"""How often the encoder halves an image, as a factor; images are padded to a multiple of it."""


class Segmenter(nn.Module):
    """A U-Net taken apart where the method needs it.

    The decoder's output is what a slice is compared by (f in Eq. 4) and what is contrasted (Eq. 1); of the U-Net only the head
    knows the classes. A `detail` network beside it, where there is one, has a say about void (`together`).
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, head: nn.Sequential, detail: DetailNetwork | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head
        self.detail = detail

    @property
    def embedding_width(self) -> int:
        """Length D of the decoder's output per pixel; 16 in smp's U-Net, whatever the encoder."""
        return int(self.head[0].in_channels)  # type: ignore[arg-type]

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return int(self.head[0].out_channels)  # type: ignore[arg-type]

    @property
    def classifiers(self) -> tuple[nn.Conv2d, ...]:
        """The last layers, which know the classes: the head's, and that of the detail network."""
        unets: nn.Conv2d = self.head[0]  # type: ignore[assignment]
        return (unets,) if self.detail is None else (unets, self.detail.head)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The decoder's output (B, D, H, W) for images (B, 1, H, W); D is `embedding_width`, 16 for every encoder."""
        output: torch.Tensor = self.decoder(self.encoder(images))
        return output

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The U-Net's logits (B, C, H, W), float32, and features (B, D, H, W) of images (B, 1, H, W); `together` says what is predicted.

        The head, 1 % of the work, runs in float32: bfloat16 logits have steps that tie scores which are not equal.
        """
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: torch.Tensor = self.head(features.float())
        return logits, features

    def together(self, images: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, C, H, W) by which the classes of `images` (B, 1, H, W) are predicted, given the U-Net's `logits` of them.

        They are these, or where there are a detail network and a void class, those of `detail.void_together`.
        """
        if self.detail is None or not self.detail.has_say:
            return logits
        return void_together(logits, self.detail(images), self.detail.void)


def build_segmenter(
    config: ModelConfig, n_classes: int, seed: int = 0, contrastive: bytes | None = None
) -> Segmenter:
    """A fresh network with the initial weights `config` asks for; the head, and a detail network, are new, drawn from `seed`, in every case.

    Parameters
    ----------
    n_classes : number of classes C, background included
    contrastive : encoder and decoder from pretraining (`weights.backbone_bytes`); used by initialisation ``auto``
        when given and required by ``contrastive``.

    Raises
    ------
    ConfigError : the encoder is unknown.
    NotReady : contrastive weights are asked for and not given, or ImageNet's cannot be had.
    ProjectError : the contrastive weights are damaged or of another encoder.
    """
    wanted = config.initialisation
    if wanted == "contrastive" and contrastive is None:
        raise NotReady(
            f"model.initialisation={wanted} needs pretrained weights; run pretrain first, or set model.initialisation=none."
        )
    segmenter = _random_segmenter(config, n_classes, seed)
    if wanted == "imagenet":
        load_imagenet(segmenter.encoder, config)
    elif wanted != "none" and contrastive is not None:
        load_backbone(segmenter, contrastive)
    return segmenter


def load_segmenter(config: ModelConfig, n_classes: int, weights: bytes) -> Segmenter:
    """The trained network whose weights are `weights` (`weights.weights_bytes`), ready to predict.

    Raises
    ------
    ProjectError : the weights are damaged or of another network.
    """
    segmenter = _random_segmenter(config, n_classes, seed=0)
    load_weights(segmenter, weights)
    return segmenter.eval()


def _random_segmenter(config: ModelConfig, n_classes: int, seed: int) -> Segmenter:
    """smp's U-Net with its random initialisation; torch's global generator is left as it was.

    The detail network is drawn last, so that the U-Net is the same with and without it.
    """
    with torch_seeded(torch.device("cpu"), seed):
        unet = _unet(config.encoder, n_classes)
        detail = DetailNetwork(n_classes) if config.detail else None
    return Segmenter(unet.encoder, unet.decoder, unet.segmentation_head, detail)


def _unet(encoder: str, n_classes: int) -> smp.Unet:
    import segmentation_models_pytorch as smp  # takes seconds, so only when a network is built

    try:
        return smp.Unet(encoder, encoder_weights=None, in_channels=1, classes=n_classes)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        why = "no such encoder" if isinstance(error, KeyError) else one_line(error)
        raise ConfigError(
            f"model.encoder={encoder} gives no U-Net: {why}; resnet18 is the paper's."
        ) from error
