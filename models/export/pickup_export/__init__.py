"""Makes model packages for Pickup out of diffusers checkpoints, and the values they are tested against."""
