from .linear import StreamedLinear as StreamedLinear
from .linear import stream_linear as stream_linear
from .source import open_source as open_source
from .streamed_frame import StreamedFrame as StreamedFrame
from .streamed_frame import streamed_frame as streamed_frame
