"""Where bytes come from: addresses, archives, and files read over the network piece by piece."""
