"""Helpers of the tests: where ComfyUI lies, how to start and drive it, how to write a prompt."""
