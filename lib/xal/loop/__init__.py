"""What happens to an image: it is scored, chosen, handed in, looked at again, learnt from."""
