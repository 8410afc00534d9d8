from .cell_table import CellFrame as CellFrame
from .cell_table import TooManyCells as TooManyCells
from .cell_table import stream_cells as stream_cells
from .cell_table import with_moments as with_moments
from .opening import open_source as open_source
from .streamed_frame import StreamedFrame as StreamedFrame
from .streamed_linear import StreamedLinear as StreamedLinear
from .streamed_linear import stream_linear as stream_linear
