"""Who of the staff gets in, and what each page of theirs says; knows nothing of cars or money."""
