"""Whether what is served is still what was trained and promised: drift, matured performance, labels, parity."""
