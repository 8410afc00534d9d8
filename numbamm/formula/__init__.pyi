from .assemble import model_frame as model_frame
from .checks import check_gaussian as check_gaussian
from .checks import check_generalized as check_generalized
from .modelframe import ModelFrame as ModelFrame
