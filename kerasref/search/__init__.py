"""Search over architectures: spaces of networks, not single ones."""
