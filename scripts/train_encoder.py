"""Train the encoder on a file of windows, whoever wrote it, and measure what its heads are worth.

    python scripts/train_encoder.py --data data/encoder_windows.parquet --config config/encoder.yaml

The same as `agv2 train encoder --data FILE`, whose other options it takes as well.
"""

import sys

from agv2.app.cli.main import main

if __name__ == "__main__":
    words = sys.argv[1:]
    asks = {"-h", "--help", "--bars"} & set(words) or any(word.split("=")[0] == "--data" for word in words)
    main(["train", "encoder", *([] if asks else ["--data", "data/encoder_windows.parquet"]), *words])
