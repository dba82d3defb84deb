"""What the machine gives: files that are whole, space, memory, patience."""
