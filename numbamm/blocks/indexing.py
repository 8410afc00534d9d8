"""Fast code for indices in kernels: entries and slices of contiguous arrays, not negative.

numba's code for an index also handles negative ones, and its code for a slice also handles steps
and bounds beyond the ends. Most of it is optimised away again, which takes a good part of a
kernel's compile time. Here an index is an offset to a pointer. Kernels must not use negative
indices or bounds; a slice beyond the end of an array is cut there, as in Python.
"""

from __future__ import annotations

from numba.core import cgutils, types
from numba.core.compiler_machinery import register_pass
from numba.core.imputils import impl_ret_borrowed
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering
from numba.np.arrayobj import load_item, make_array, populate_array, store_item


class KernelLower(Lower):
    """numba's code generator, with this module's code for indices."""

    def lower_getitem(self, resty, expr, value, index, signature):
        """Code of ``value[index]``."""
        array, kind = self.typeof(value.name), self.typeof(index.name)
        if _is_entry(array, kind):
            return load_item(self.context, self.builder, array, self._pointer(value, index))
        if _is_slice(array, kind) and resty == array:
            return self._slice(array, kind, self.loadvar(value.name), self.loadvar(index.name))
        return super().lower_getitem(resty, expr, value, index, signature)

    def lower_setitem(self, target_var, index_var, value_var, signature):
        """Code of ``target[index] = value``."""
        array, kind = self.typeof(target_var.name), self.typeof(index_var.name)
        given = self.typeof(value_var.name)
        if not (_is_entry(array, kind) and isinstance(given, (types.Number, types.Boolean))):
            return super().lower_setitem(target_var, index_var, value_var, signature)
        value = self.context.cast(self.builder, self.loadvar(value_var.name), given, array.dtype)
        pointer = self._pointer(target_var, index_var)
        return store_item(self.context, self.builder, array, value, pointer)

    def _pointer(self, variable, index_variable):
        """The address of an entry."""
        array, kind = self.typeof(variable.name), self.typeof(index_variable.name)
        view = make_array(array)(self.context, self.builder, self.loadvar(variable.name))
        index = self.loadvar(index_variable.name)
        kinds, places = (kind,), [index]
        if isinstance(kind, types.BaseTuple):
            kinds, places = kind.types, cgutils.unpack_tuple(self.builder, index, len(kind))
        offset = None
        shape = cgutils.unpack_tuple(self.builder, view.shape, array.ndim)
        for kind, place, size in zip(kinds, places, shape, strict=True):
            place = self.context.cast(self.builder, place, kind, types.intp)
            if offset is not None:
                place = self.builder.add(self.builder.mul(offset, size), place)
            offset = place
        return self.builder.gep(view.data, [offset])

    def _slice(self, array, kind, value, index):
        """Code of a slice of one dimension."""
        context, builder = self.context, self.builder
        source, result = (
            make_array(array)(context, builder, value),
            make_array(array)(context, builder),
        )
        bounds = context.make_helper(builder, kind, index)
        zero = context.get_constant(types.intp, 0)
        size = builder.extract_value(source.shape, 0)
        beyond = builder.icmp_signed(">", bounds.stop, size)
        stop = builder.select(beyond, size, bounds.stop)
        length = builder.sub(stop, bounds.start)
        length = builder.select(builder.icmp_signed(">", length, zero), length, zero)
        populate_array(
            result,
            data=builder.gep(source.data, [bounds.start]),
            shape=[length],
            strides=[source.itemsize],
            itemsize=source.itemsize,
            meminfo=source.meminfo,
            parent=source.parent,
        )
        return impl_ret_borrowed(context, builder, array, result._getvalue())


def _is_entry(array, index) -> bool:
    """Whether an index means one entry of a contiguous array of numbers."""
    if not (isinstance(array, types.Array) and array.layout == "C"):
        return False
    if not isinstance(array.dtype, (types.Float, types.Integer)):
        return False
    kinds = index.types if isinstance(index, types.BaseTuple) else (index,)
    return len(kinds) == array.ndim and all(isinstance(kind, types.Integer) for kind in kinds)


def _is_slice(array, index) -> bool:
    """Whether an index means a slice without a step of a contiguous array of one dimension."""
    return (
        isinstance(array, types.Array)
        and array.layout == "C"
        and array.ndim == 1
        and isinstance(index, types.SliceType)
        and not isinstance(index, types.SliceLiteral)
        and not index.has_step
    )


@register_pass(mutates_CFG=True, analysis_only=False)
class KernelLowering(NativeLowering):
    """The pass that generates the code."""

    _name = "kernel_lowering"

    @property
    def lowering_class(self):
        """The code generator."""
        return KernelLower
