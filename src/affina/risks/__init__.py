"""What a fine-tuning may have cost: how far it learned its rows by heart, and what the model forgot."""
