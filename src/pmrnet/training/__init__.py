"""Training: pairs in, best weights by validation Dice out; killed at any time, it resumes."""

from pmrnet.training.run import train

__all__ = ["train"]
