"""python -m worker.conformance"""

import sys

from worker.conformance import main

sys.exit(main(sys.argv[1:]))
