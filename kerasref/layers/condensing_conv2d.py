"""What learned group convolution and its test form have in common."""

from __future__ import annotations

import keras

from kerasref.layers.arguments import check_positive_integer


class CondensingConv2D(keras.layers.Layer):
    """1x1 convolution, each group of whose filters sees R / C of the R channels in the end.

    Args:
        filters: number of output channels, a multiple of `groups`.
        groups: G, groups of filters that see the same channels.
        condensation: C, the condensation factor: 1/C of the weights remains.
        use_bias: whether to add a bias.
        kernel_initializer: of the kernel.

    Raises:
        ValueError: an argument out of its range, or R that `condensation` does not divide.
    """

    def __init__(
        self,
        filters,
        groups=4,
        condensation=4,
        use_bias=False,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = check_positive_integer("filters", filters)
        self.groups = check_positive_integer("groups", groups)
        self.condensation = check_positive_integer("condensation", condensation)
        if filters % groups:
            raise ValueError(
                f"`filters` must be a multiple of `groups`, not {filters} for {groups} groups"
            )
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def add_kernel(self, channels, remaining):
        """Create `kernel` for `channels` of the input, or for the `remaining` ones, and `bias`."""
        kept, rest = divmod(channels, self.condensation)
        if rest:
            raise ValueError(
                f"`condensation` must divide the input channels, {self.condensation} does not "
                f"divide {channels}"
            )
        shape = (1, 1, kept if remaining else channels, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, inputs):
        outputs = self.convolve(inputs)
        return outputs + self.bias if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        own = {
            "filters": self.filters,
            "groups": self.groups,
            "condensation": self.condensation,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
        return {**super().get_config(), **own}
