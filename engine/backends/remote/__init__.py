"""What the providers share whose models run on a server: lines, calls, pictures, questions, the backend."""
