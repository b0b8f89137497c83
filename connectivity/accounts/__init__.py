"""People: who they are and how they sign in; knows nothing of cars or money."""
