"""The stream engine: blocks to windows to detectors to findings, with checkpoints."""
