"""Several ways of training on the same rows: planned, run one after the other, judged and written down."""
