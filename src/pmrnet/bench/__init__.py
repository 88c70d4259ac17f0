"""Speed and memory, measured side by side with VoxelMorph 0.2: `python -m pmrnet.bench`."""
