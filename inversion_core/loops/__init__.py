"""The loops: a grid walked, source and target side by side, clips, edits without a trajectory."""
