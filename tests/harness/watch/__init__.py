"""A node pack without nodes: before ComfyUI loads any other, it starts to write down what a pack does (prestartup_script.py)."""

NODE_CLASS_MAPPINGS: dict[str, type] = {}
