"""numba's compiler, adapted: inner kernels are no code of their own."""

import numpy as np
import pytest

from numbamm.blocks import cholesky
from numbamm.blocks.compiler import InnerLibrary


def test_a_kernel_of_kernels_has_no_machine_code():
    """numba would jump to address 0 if Python called it."""
    arguments = np.ones(1), np.zeros((2, 16), np.int64), np.zeros(1, np.int32), np.ones(1)
    with pytest.raises(TypeError, match="not callable"):
        cholesky.set_lambda(*arguments)
    library = cholesky.set_lambda.overloads[cholesky.set_lambda.signatures[-1]].library
    assert isinstance(library, InnerLibrary)
