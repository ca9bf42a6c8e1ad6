"""Train policies of several seeds on the first part of your bars, and test them on the rest.

    python scripts/train_policy.py --bars bars/XAUUSD_1h.parquet --encoder NAME --profile standard

The same as `agv2 train policy`, all of whose options it takes.
"""

import sys

from agv2.app.cli.main import main

if __name__ == "__main__":
    main(["train", "policy", *sys.argv[1:]])
