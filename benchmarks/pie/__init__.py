"""PIE-Bench (arXiv:2310.01506): its data, its metrics as published and corrected, and a run that can be continued."""
