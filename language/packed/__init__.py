"""HAN over real words only: the same result as `language.han`, in a fraction of the time on a CPU."""
