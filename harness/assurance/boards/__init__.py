"""Stand in for boards: a healthy one, faulty ones, and noise on the wire."""
