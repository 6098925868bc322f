"""Words that say who a text is about, in pairs: the lists, and texts with the one word in the place of the other."""
