"""What the live page shows: a state folded from what is heard, bounded everywhere, and a picture of it as JSON."""
