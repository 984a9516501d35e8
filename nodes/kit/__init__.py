"""What every node stands on: its inputs and outputs, the guard around it, pictures, masks and latents."""
