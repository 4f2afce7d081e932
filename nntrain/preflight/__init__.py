"""Rules that look for faults before the first step. Each is a function of what it looks at, and yields findings."""
