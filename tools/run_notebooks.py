"""Run notebooks from top to bottom in a kernel of this very environment, and keep what they show.

    python tools/run_notebooks.py                                # those of notebooks/, in place
    python tools/run_notebooks.py --out DIR notebooks/01_eda.ipynb

A cell that raises, warns or writes to standard error is a failure. What is kept holds no times and no paths, so that a
second run on the same machine gives the same file. Needs the extra `jupyterlab`.
"""

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

__all__ = ["main", "run_notebook"]

ROOT = Path(__file__).resolve().parents[1]
CELL_LIMIT_S = 180


def main(arguments: list[str]) -> int:
    """Run each notebook; 1 when one fails, with a line that says where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    parser.add_argument("--out", type=Path, help="directory for the result; without it each is replaced")
    options = parser.parse_args(arguments)
    failed = False
    for path in options.notebooks:
        started = time.perf_counter()
        notebook = nbformat.read(path, as_version=4)
        problem = run_notebook(notebook, ROOT / "notebooks")
        print(f"{path.name}: {problem or 'ran'} ({time.perf_counter() - started:.0f} s)", flush=True)
        failed = failed or problem is not None
        if problem is None:
            if options.out is not None:
                options.out.mkdir(parents=True, exist_ok=True)
            nbformat.write(notebook, path if options.out is None else options.out / path.name)
    return int(failed)


def run_notebook(notebook: Any, directory: Path) -> str | None:
    """Run every cell in order and put what it shows into `notebook`.

    Args:
        notebook: as `nbformat` reads it.
        directory: where its kernel starts, so that it finds what lies beside it.

    Returns:
        None, or what went wrong and in which cell.
    """
    # No list of installed kernels: the one that is left is this Python's own, whatever the user has registered.
    specs = KernelSpecManager(kernel_dirs=[])
    transport = "tcp" if os.name == "nt" else "ipc"  # of which the kernel says that it is the safer one
    with tempfile.TemporaryDirectory() as empty:  # nobody's start-up files
        kernel = KernelManager(
            kernel_name="python3",
            kernel_spec_manager=specs,
            client_class="jupyter_client.asynchronous.AsyncKernelClient",  # the only kind that nbclient talks through
            transport=transport,
            connection_file=str(Path(empty) / "kernel.json"),
        )
        resources = {"metadata": {"path": str(directory)}}
        client = NotebookClient(notebook, km=kernel, resources=resources, timeout=CELL_LIMIT_S, record_timing=False)
        try:
            client.execute(env=os.environ | {"IPYTHONDIR": empty})
        except CellExecutionError as error:
            return f"a cell failed: {error.ename}: {error.evalue}"
        finally:
            kernel.shutdown_kernel(now=True)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                return f"cell {number} warns: {output.text.strip().splitlines()[-1]}"
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _with_a_palette(output.data["image/png"])
    return None


def _with_a_palette(png: str) -> str:
    """The same picture in at most 256 colours: a third of the size, and charts do not have more."""
    kept = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(kept, format="PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode("ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
