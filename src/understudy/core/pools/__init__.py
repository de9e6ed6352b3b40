"""The pool of virtual services: what the kernel's table should hold, decided from what the checks say."""
