"""Search settings on the bars before the first test bar of a run.

    python scripts/optimize_hparams.py --bars bars/XAUUSD_1h.parquet --trials 20 --out tuning/gold

The same as `agv2 tune`, all of whose options it takes.
"""

import sys

from agv2.app.cli.main import main

if __name__ == "__main__":
    main(["tune", *sys.argv[1:]])
