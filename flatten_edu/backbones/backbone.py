"""What every family keeps: its options, its head, and what training asks of a network."""

from einops import reduce
from torch import Tensor, nn

from ..attention.checks import check_dtype, check_flag, check_whole
from .common import Block, check_images, drop_path_rates, image_size, initialise, per_block


class Backbone(nn.Module):
    """Images in, classes out; a family fills in `forward_features` and `feature_maps`.

    Args:
        attention: see `create_model`.
        num_classes: outputs; 0 leaves out the head and gives features.
        in_chans: channels of an image.
        img_size: a number or (height, width); other sizes may come at call time. What is left
            over when patches are cut (less than one patch) is not looked at.
        p, kernel_size, depthwise, qkv_bias: as in `SelfAttention`.
        drop_path: probability of leaving out the last block's branches; it rises evenly from 0.
    """

    # The shortest side of an image that leaves a token in every stage.
    smallest = 1
    # For each stage, whether the paper replaces softmax in it.
    published: tuple[bool, ...] = (True,)
    # Last parts of the names of parameters that published recipes leave without weight decay.
    undecayed: tuple[str, ...] = ()

    def __init__(
        self,
        depths: tuple[int, ...],
        width: int,
        /,
        attention="focused",
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 224,
        p: float = 3,
        kernel_size: int = 5,
        depthwise: bool | None = None,
        drop_path: float = 0.0,
        qkv_bias: bool = True,
    ):
        super().__init__()
        for name, value in (("in_chans", in_chans), ("width", width)):
            check_whole(name, value)
        check_whole("num_classes", num_classes, least=0, most=2**24)
        check_flag("qkv_bias", qkv_bias)
        self.img_size, self.in_chans, self.width = image_size(img_size, 1), in_chans, width
        self.attention = per_block(attention, depths, self.published)
        self.rates = drop_path_rates(drop_path, depths)
        self.mixing = {"p": p, "kernel_size": kernel_size, "depthwise": depthwise}
        self.qkv_bias = qkv_bias
        self.num_classes = num_classes
        self.head = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Images b c y x -> b classes (b c without a head)."""
        return self.head(self.pool(self.forward_features(images)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Images b c y x -> tokens b n c, as the head sees them."""
        raise TypeError(f"{type(self).__name__} must define forward_features(images)")

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Images b c y x -> a map b c y x for each stage."""
        raise TypeError(f"{type(self).__name__} must define feature_maps(images)")

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens b n c -> b c."""
        return reduce(tokens, "b n c -> b c", "mean")

    def check(self, images: Tensor) -> None:
        """Raise a ValueError in one line unless the network can take these images."""
        check_images(images, self.in_chans, self.smallest)
        check_dtype("images", images, next(self.parameters()))

    def reset_classifier(self, num_classes: int) -> None:
        """A fresh head for this many classes; 0 leaves it out."""
        check_whole("num_classes", num_classes, least=0, most=2**24)
        self.num_classes = num_classes
        like = next(self.parameters())
        self.head = nn.Identity()
        if num_classes:
            self.head = nn.Linear(self.width, num_classes, device=like.device, dtype=like.dtype)
            initialise(self.head)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: blocks are computed again in the backward pass."""
        for module in self.modules():
            if isinstance(module, Block):
                module.checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that published recipes leave without weight decay.

        Besides these, everything with one axis (biases, norms) is left without.
        """
        return {name for name, _ in self.named_parameters() if name.endswith(self.undecayed)}
