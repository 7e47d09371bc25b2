"""Images to look at and to learn from; what is named here needs no network.

data = load_data("mnist5k")         # digits, 28 x 28, in train, validation and test
photo("astronaut", size=224)        # one photo, c y x in [0, 1]
"""

from .photos import list_photos, photo
from .registry import list_data, load_data
from .samples import Data, Samples

__all__ = ["Data", "Samples", "list_data", "list_photos", "load_data", "photo"]
