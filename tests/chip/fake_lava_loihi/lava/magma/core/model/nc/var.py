import numpy as np

NcVar = np.ndarray
