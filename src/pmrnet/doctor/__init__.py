"""Checks of the machine and of a data set, before hours are spent on them.

Nothing here imports TensorFlow, Keras or JAX.
"""

from pmrnet.doctor.data_folder import check_data
from pmrnet.doctor.environment import check_environment
from pmrnet.doctor.finding import Finding, report
from pmrnet.doctor.memory import registration_bytes, training_bytes

__all__ = [
    "Finding",
    "check_data",
    "check_environment",
    "registration_bytes",
    "report",
    "training_bytes",
]
