"""HAN without padding: the same results as `language.han`, in a fraction of the time on a CPU."""
