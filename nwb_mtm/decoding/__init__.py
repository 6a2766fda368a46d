"""Trial labels and behaviour from spikes, rates and latents, beside what the clock alone tells."""
