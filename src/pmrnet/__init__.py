"""PMR-Net: probabilistic multilayer regularization network for brain image registration."""

__version__ = "0.1.0"
