"""Registration by geodesic shooting, the method of UtilzReg (Vialard et al., IJCV 2012).

A deformation is the end of a geodesic of diffeomorphisms, and a geodesic is known by the momentum
it starts with, one number per voxel of the moving image. The registration looks for that momentum.
"""

from pmrnet.shooting.register import ShootingRegistrar
from pmrnet.shooting.settings import ShootingSettings

__all__ = ["ShootingRegistrar", "ShootingSettings"]
