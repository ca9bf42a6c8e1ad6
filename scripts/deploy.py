"""Serve the decisions of a bundle over HTTP.

    python scripts/deploy.py --bundle runs/gold/bundle --account DEMO-1

The same as `agv2 serve`, all of whose options it takes.
"""

import sys

from agv2.app.cli.main import main

if __name__ == "__main__":
    main(["serve", *sys.argv[1:]])
