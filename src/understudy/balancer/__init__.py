"""The process that balances: it asks the real servers, and writes the kernel's table. It decides nothing (``core/pools``)."""
