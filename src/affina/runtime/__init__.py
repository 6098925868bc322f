"""The machine: devices, random state, memory."""
