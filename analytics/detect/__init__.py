"""One detector per file; `base.py` holds the contract and `find()` walks the folder."""
