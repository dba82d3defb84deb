"""What the method is worth: simulated annotation, its rivals, reports."""
