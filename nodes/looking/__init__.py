"""The nodes that show: attention, trajectories, reports, before and after."""
