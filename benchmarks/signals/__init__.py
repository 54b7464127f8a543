"""Parts of `signal.py`."""
