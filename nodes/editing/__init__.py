"""The nodes that edit along a trajectory, or without one."""
