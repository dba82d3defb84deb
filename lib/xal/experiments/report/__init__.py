"""What the rows of a simulation say: statistics, sentences, tables, pictures."""
