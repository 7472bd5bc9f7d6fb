"""What `import NAME` costs in a fresh process; as `events` it gives the modules that are loaded then."""

from __future__ import annotations

import importlib
import sys
import time

cpu, wall = time.process_time(), time.perf_counter()
importlib.import_module(sys.argv[1])
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall

print(f'{{"events": {len(sys.modules)}, "cpu": {cpu}, "wall": {wall}}}')
