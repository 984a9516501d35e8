"""PIE-Bench (arXiv:2310.01506): edit its pictures with a method of this project, and measure as published and as meant.

    python benchmarks/pie_bench.py --data data --model FOLDER --method direct --strength 0.6 0.8 1 --out out/pie \\
        --dino dino_vitbase8_pretrain.pth --lpips squeezenet1_1-b8a52dc0.pth --clip FOLDER

edits the benchmark's pictures, writes them and one row each to results.jsonl, and prints tables of means that it keeps
in summary.json. Stopped and called again, it goes on where it stopped; a file of other settings is refused. Nothing is
downloaded: the benchmark comes from its authors (github.com/cure-lab/PnPInversion), a metric whose network is not given
is reported as absent.
"""

import sys

from latent_inversion.benchmarks.pie.run import main

if __name__ == "__main__":
    sys.exit(main(__doc__ or ""))
