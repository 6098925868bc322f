"""The demo data: customer-support messages written for this project, and nothing else."""
