"""What a user does: one function a verb."""
