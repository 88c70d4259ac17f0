"""A geodesic from its initial momentum: the Hamiltonian equations of Vialard et al. (2012).

For an image I and a scalar momentum P, both moving with the flow phi_t,

    v_t = -K * (P_t grad I_t),
    I_t = I_0 o phi_t^-1,                              (dI/dt + grad I . v = 0)
    P_t = |D phi_t^-1| P_0 o phi_t^-1.                 (dP/dt + div(P v) = 0)

As UtilzReg does, only the inverse flow is carried from step to step, and I_t and P_t are taken from
I_0 and P_0 through it, so that interpolation does not blur them more with every step. Where
UtilzReg advects the inverse flow by an upwind scheme, here it is composed,

    phi_(t+h)^-1 = phi_t^-1 o (Id - h v_t),

which is stable at any step and a diffeomorphism as long as the single steps are.

Velocities are in mm per unit time, gradients per mm: a momentum means the same on every grid.
"""

from __future__ import annotations

from keras import ops

from pmrnet import spatial
from pmrnet.shooting.differences import gradient, volume_change
from pmrnet.shooting.kernel import apply_kernel


def momentum_field(image: object, momentum: object, spacing: float) -> object:
    """Vector momentum -P grad I.

    Parameters
    ----------
    image, momentum
        (1, *grid, 1).
    spacing
        Voxel size in mm.

    Returns
    -------
    tensor
        (1, *grid, N); its product with the kernel is the velocity in mm per unit time.
    """
    return gradient(image) * momentum * (-1.0 / spacing)


def transport(image: object, momentum: object, displacement: object) -> tuple[object, object]:
    """Image and momentum carried along the flow.

    Parameters
    ----------
    image, momentum
        At time 0, (1, *grid, 1). The image is a constant to automatic differentiation.
    displacement
        Of the inverse flow, (1, *grid, N) in voxels.

    Returns
    -------
    image, momentum
        At the flow's time, (1, *grid, 1): values are kept by the first, the integral by the second.
    """
    moved = spatial.warp(image, displacement, differentiate_values=False)
    return moved, spatial.warp(momentum, displacement) * volume_change(displacement)


def shoot(
    image: object, momentum: object, matrices: tuple, spacing: float, steps: int
) -> list[object]:
    """Follow the geodesic from time 0 to 1.

    Parameters
    ----------
    image, momentum
        At time 0, (1, *grid, 1).
    matrices
        The kernel, of `pmrnet.shooting.kernel.kernel_matrices`.
    spacing
        Voxel size in mm.
    steps
        Steps of 1 / `steps` unit times, 1 or more.

    Returns
    -------
    list of tensor
        After every step, the displacement of the inverse flow, (1, *grid, N) in voxels: `image`
        warped by the last one is the image at time 1.
    """
    displacement, flow = None, []
    carried = image, momentum
    for _ in range(steps):
        if displacement is not None:
            carried = transport(image, momentum, displacement)
        velocity = apply_kernel(momentum_field(*carried, spacing), matrices)
        back = velocity * (-1.0 / (steps * spacing))
        displacement = back if displacement is None else spatial.compose(displacement, back)
        flow.append(displacement)
    return flow


def squared_norm(image: object, momentum: object, matrices: tuple, spacing: float) -> object:
    """Mean over the voxels of the momentum times its velocity: the geodesic's squared speed.

    Parameters
    ----------
    image, momentum
        (1, *grid, 1), at one time.
    matrices, spacing
        As in `shoot`.

    Returns
    -------
    tensor
        A number in mm^2, the same at all times of a geodesic.
    """
    vectors = momentum_field(image, momentum, spacing)
    return ops.mean(ops.sum(vectors * apply_kernel(vectors, matrices), axis=-1))
