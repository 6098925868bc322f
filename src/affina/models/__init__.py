"""Pre-trained models: finding, loading, taking apart, saving."""
