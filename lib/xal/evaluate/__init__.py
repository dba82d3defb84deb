"""What the loop is worth: simulated readers over the real interface, held-out images, tables and pictures."""
